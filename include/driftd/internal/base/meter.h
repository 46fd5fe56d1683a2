/* meter.h - driftd's own metrics: one table of families, rendered as Prometheus text 0.0.4.
 *
 * Families are rows of a static table in meter.c (name, kind, unit, help, label names); a series is made on
 * first use by its label values and lives until the end.  Each family holds at most 2,000 series; more are
 * refused and counted in driftd_metric_series_refused_total.  Handles are stable: look a series up once, then
 * add.  A family without labels is shown from the start, as 0.  Threads: any (atomic doubles; look-up and creation
 * take a lock). */
#ifndef DRIFTD_BASE_METER_H
#define DRIFTD_BASE_METER_H

#include <stdint.h>

#include "driftd/internal/base/buf.h"

/* X(id, name, kind, labels (comma separated or ""), help) */
#define DRIFT_METERS(X)                                                                                                \
    X(BUILD_INFO, "driftd_build_info", gauge, "version,librdkafka", "Always 1; the labels say what runs.")             \
    X(CONFIG_INFO, "driftd_config_info", gauge, "hash,change",                                                         \
      "Always 1; hash of the configuration in use and its change version.")                                            \
    X(READY, "driftd_ready", gauge, "", "1 when Redis, the group and all streams are there.")                          \
    X(REDIS_UP, "driftd_redis_up", gauge, "", "1 while Redis answers.")                                                \
    X(RECORDS, "driftd_records_total", counter, "topic",                                                               \
      "Records taken from Kafka and settled (counted, late or refused).")                                              \
    X(BYTES, "driftd_record_bytes_total", counter, "topic", "Payload bytes of those records.")                         \
    X(EVENTS, "driftd_events_total", counter, "model,chain", "Events counted into windows.")                           \
    X(REFUSED, "driftd_events_refused_total", counter, "topic,reason",                                                 \
      "Records not counted into a window, by reason.")                                                                 \
    X(LATE, "driftd_events_late_total", counter, "model,chain",                                                        \
      "Events whose window was closed by their own partition's log.")                                                  \
    X(LATE_SECONDS, "driftd_event_late_seconds", histogram, "model,chain,reason",                                      \
      "How far the watermark had passed the closing time of late events' windows: more lateness by that counts them.") \
    X(FUTURE_SECONDS, "driftd_event_future_seconds", histogram, "topic",                                               \
      "How far events refused as future lay ahead of the clock (the broker's stamp, or this host's).")                 \
    X(QUARANTINED, "driftd_records_quarantined_total", counter, "topic", "Records written to the quarantine topic.")   \
    X(OFFSET_GAPS, "driftd_offset_gap_records_total", counter, "topic",                                                \
      "Offsets that the log itself left out (compaction, transactions).")                                              \
    X(HELD, "driftd_partition_holds_total", counter, "topic",                                                          \
      "Times that a partition was not read on until verdicts had caught up (max_open).")                               \
    X(LAG, "driftd_consumer_lag_records", gauge, "topic,partition", "High watermark less next offset.")                \
    X(OFFSET, "driftd_next_offset", gauge, "topic,partition", "Next record to count.")                                 \
    X(WATERMARK, "driftd_watermark_timestamp_seconds", gauge, "topic,partition",                                       \
      "Event time up to which the partition has been read.")                                                           \
    X(PARTITIONS, "driftd_partitions_owned", gauge, "", "Partitions this instance reads now.")                         \
    X(OPEN_WINDOWS, "driftd_open_windows", gauge, "model,chain", "Windows with counts in memory of this instance.")    \
    X(STATE_BYTES, "driftd_state_bytes", gauge, "model,chain",                                                         \
      "Bytes of counts and event ids in Redis, of this instance's partitions.")                                        \
    X(DEDUP_IDS, "driftd_deduplicate_ids", gauge, "model,chain",                                                       \
      "Event ids of open windows in memory of this instance (deduplicate).")                                           \
    X(DEDUP_SHARE, "driftd_deduplicate_fill_ratio", gauge, "model,chain",                                              \
      "Ids of the fullest partition by deduplicate.max_ids; at 1 events are refused as dedup_full.")                   \
    X(REBALANCES, "driftd_rebalances_total", counter, "kind", "Assignments and revocations seen.")                     \
    X(FLUSHES, "driftd_flushes_total", counter, "result", "State writes to Redis by reply.")                           \
    X(FLUSH_BYTES, "driftd_flush_bytes_total", counter, "", "Bytes of state written to Redis.")                        \
    X(FLUSH_SECONDS, "driftd_flush_seconds_total", counter, "", "Time spent in state writes.")                         \
    X(STATE_LOST, "driftd_state_lost_total", counter, "topic",                                                         \
      "Partitions whose Redis state was gone though the group had committed offsets.")                                 \
    X(RECREATED, "driftd_topic_recreated_total", counter, "topic",                                                     \
      "Partitions read from their start because their log ended before what was counted.")                             \
    X(FORCED, "driftd_partitions_forced_total", counter, "topic",                                                      \
      "Times that a window was closed in a partition by max_hold, without its owner.")                                 \
    X(VERDICTS, "driftd_verdicts_total", counter, "model,chain,kind", "Windows judged.")                               \
    X(EARLY, "driftd_early_verdicts_total", counter, "model,chain", "Preliminary verdicts of open windows.")           \
    X(WINDOW_EVENTS, "driftd_window_events", gauge, "model,chain", "Events in the last judged window.")                \
    X(WINDOW_END, "driftd_window_end_timestamp_seconds", gauge, "model,chain", "End of the last judged window.")       \
    X(MEASURE, "driftd_measure", gauge, "model,column,measure", "Effect of a measure in the last judged window.")      \
    X(MEASURE_P, "driftd_measure_p_value", gauge, "model,column,measure",                                              \
      "p-value of a measure in the last judged window.")                                                               \
    X(THRESHOLD, "driftd_threshold", gauge, "model,rule,measure,severity", "Configured level of a rule.")              \
    X(ALERT, "driftd_alert_state", gauge, "model,rule", "0 ok, 1 pending, 2 firing warning, 3 firing critical.")       \
    X(MODEL_STATUS, "driftd_model_status", gauge, "model", "0 ok, 1 degraded (a rule fires), 2 unmonitored.")          \
    X(JUDGE_SECONDS, "driftd_judge_seconds_total", counter, "", "Time spent judging windows.")                         \
    X(OUTBOX, "driftd_outbox_entries", gauge, "endpoint", "Actions waiting for delivery.")                             \
    X(DELIVERIES, "driftd_deliveries_total", counter, "endpoint,result",                                               \
      "Webhook attempts and entries by result (ok, retry, dead, refused, expired, shadow).")                           \
    X(DELIVERY_SECONDS, "driftd_delivery_seconds_total", counter, "endpoint", "Time spent in webhook attempts.")       \
    X(REGISTRY, "driftd_schema_registry_requests_total", counter, "result", "Requests to the schema registry.")        \
    X(SCHEMAS, "driftd_schemas", gauge, "", "Schemas compiled.")                                                       \
    X(HTTP, "driftd_http_requests_total", counter, "path", "Requests to driftd's own HTTP server.")                    \
    X(SERIES_REFUSED, "driftd_metric_series_refused_total", counter, "", "Metric series beyond the limit, not shown.") \
    X(RSS, "driftd_resident_memory_bytes", gauge, "", "Resident memory of the process.")

enum drift_meter {
#define X(id, name, kind, labels, help) DRIFT_M_##id,
    DRIFT_METERS(X)
#undef X
        DRIFT_M_COUNT
};

struct drift_series;
/* The series of a family for these label values, in the family's order, NULL-terminated:
 * drift_series(DRIFT_M_REFUSED, topic, reason, (char *)NULL).  Never NULL. */
struct drift_series *drift_series(enum drift_meter m, ...) __attribute__((sentinel));
/* A counter never falls: it ignores what is negative or not finite, and set only raises it. */
void drift_series_add(struct drift_series *s, double by);
void drift_series_set(struct drift_series *s, double value);
/* Counts a value into a histogram's buckets: up to 1 s, 10 s, 1 m, 5 m, 1 h, 6 h, 1 d, and all.  What is not finite or
 * negative counts as 0.  Add and set do nothing to a histogram, observe nothing to the others. */
void drift_series_observe(struct drift_series *s, double value);
double drift_series_get(const struct drift_series *s);

#define drift_count(m, ...) drift_series_add(drift_series((m), __VA_ARGS__ __VA_OPT__(, )(char *) NULL), 1)
#define drift_gauge(m, value, ...) drift_series_set(drift_series((m), __VA_ARGS__ __VA_OPT__(, )(char *) NULL), (value))

/* Everything as Prometheus text. */
void drift_meter_render(struct drift_buf *out);
/* Forgets all series (tests). */
void drift_meter_reset(void);

#endif
