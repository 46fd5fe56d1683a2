/* src/cli/version.c    `driftd version`: what runs, and with which libraries. */
#include <curl/curl.h>
#include <gsl/gsl_version.h>
#include <hiredis/hiredis.h>
#include <jansson.h>
#include <librdkafka/rdkafka.h>
#include <microhttpd.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "driftd/internal/cli.h"

int drift_cmd_version(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--help") != 0)
        return drift_cli_fail(DRIFT_EXIT_USAGE, "version", "takes no arguments");
    if (argc > 1) {
        puts("usage: driftd version\n\nShows the version of driftd and of the libraries it runs with.");
        return DRIFT_EXIT_OK;
    }
    printf("driftd       %s\n", DRIFTD_VERSION);
    printf("librdkafka   %s\n", rd_kafka_version_str());
    printf("hiredis      %d.%d.%d\n", HIREDIS_MAJOR, HIREDIS_MINOR, HIREDIS_PATCH);
    printf("gsl          %s\n", gsl_version);
    printf("libcurl      %s\n", curl_version_info(CURLVERSION_NOW)->version);
    printf("microhttpd   %s\n", MHD_get_version());
    printf("jansson      %s\n", JANSSON_VERSION);
    printf("libyaml      %s\n", yaml_get_version_string());
    printf("openssl      %s\n", OpenSSL_version(OPENSSL_VERSION));
    return DRIFT_EXIT_OK;
}
