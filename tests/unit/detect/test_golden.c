/* tests/unit/detect/test_golden.c    Adjusted p-values against the shared golden files. */
#include <limits.h>
#include <stdio.h>

#include "families.h"
#include "support.h"

START_TEST(adjusted_p_values)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/golden/multiple_testing.json", drift_test_shared());
    ck_assert_int_eq(families_compare(path, 6), 3 * 176);
}
END_TEST

int main(void)
{
    if (!drift_test_shared())
        return drift_test_skip("no ../shared beside the clone: golden values not compared");
    Suite *s = suite_create("golden");
    drift_test_add(s, "adjusted p-values", adjusted_p_values, 10);
    return drift_test_run(s);
}
