/* SPDX-License-Identifier: MIT
 *
 * Tests of src/base/metrics.c: the registry, histograms, the text form.
 */
#include "tests/support/test.h"

#include <plait/metrics.h>

struct fixture {
    struct test_heap heap;
    struct plait_budget budget;
    struct plait_metrics *metrics;
};

static void begin(struct fixture *f)
{
    test_heap_init(&f->heap, 0);
    plait_budget_init(&f->budget, NULL, &f->heap.allocator, 0);
    f->metrics = plait_metrics_new(&f->budget);
    assert_non_null(f->metrics);
}

static void end(struct fixture *f)
{
    plait_metrics_free(&f->metrics);
    assert_null(f->metrics);
    plait_metrics_free(&f->metrics);
    assert_int_equal(f->heap.live, 0);
}

static struct plait_metric metric(enum plait_metric_kind kind, const char *name, const char *labels)
{
    return (struct plait_metric){.kind = kind, .name = name, .help = "Help.", .unit = "", .labels = labels};
}

static void assert_written(const struct fixture *f, const char *expected)
{
    struct plait_budget budget;
    struct plait_buf out;
    plait_budget_init(&budget, NULL, NULL, 0);
    plait_buf_init(&out, &budget, 100000);
    plait_metrics_write(f->metrics, &out);
    assert_slice(plait_buf_slice(&out), expected);
    plait_buf_deinit(&out);
}

static void an_empty_registry_is_only_its_end(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    assert_written(&f, "# EOF\n");
    end(&f);
}

static void counters_and_gauges_are_written(void **state)
{
    (void)state;
    struct fixture f;
    struct plait_metric bytes = metric(PLAIT_COUNTER, "plait_read_bytes", "");
    struct plait_metric open = metric(PLAIT_GAUGE, "plait_open", "protocol=\"http\"");
    begin(&f);
    bytes.unit = "bytes";
    plait_metrics_add(f.metrics, &bytes);
    plait_metrics_add(f.metrics, &open);
    plait_metric_add(&bytes, 40);
    plait_metric_add(&bytes, 2);
    plait_metric_set(&open, 7);
    plait_metric_add(&open, -3);
    assert_written(&f, "# TYPE plait_read_bytes counter\n"
                       "# UNIT plait_read_bytes bytes\n"
                       "# HELP plait_read_bytes Help.\n"
                       "plait_read_bytes_total 42\n"
                       "# TYPE plait_open gauge\n"
                       "# HELP plait_open Help.\n"
                       "plait_open{protocol=\"http\"} 4\n"
                       "# EOF\n");
    end(&f);
}

static void values_are_shown_in_their_unit(void **state)
{
    (void)state;
    static const struct {
        int64_t value, scale;
        const char *text;
    } rows[] = {
        {1500000000, 1000000000, "1.5"},
        {1, 1000000000, "0.000000001"},
        {2000000000, 1000000000, "2"},
        {0, 1000000000, "0"},
        {-250, 1000, "-0.25"},
        {-7, 0, "-7"},
        {INT64_MAX, 1, "9223372036854775807"},
        {INT64_MIN, 0, "-9223372036854775808"},
    };
    for (size_t i = 0; i < TEST_COUNT(rows); i++) {
        struct fixture f;
        struct plait_metric m = metric(PLAIT_GAUGE, "x", "");
        char expected[128];
        begin(&f);
        m.scale = rows[i].scale;
        plait_metrics_add(f.metrics, &m);
        plait_metric_set(&m, rows[i].value);
        (void)snprintf(expected, sizeof expected, "# TYPE x gauge\n# HELP x Help.\nx %s\n# EOF\n", rows[i].text);
        assert_written(&f, expected);
        m.labels = "a=\"b\"";
        (void)snprintf(expected, sizeof expected, "# TYPE x gauge\n# HELP x Help.\nx{a=\"b\"} %s\n# EOF\n",
                       rows[i].text);
        assert_written(&f, expected);
        end(&f);
    }
}

static void a_family_stands_together_however_it_was_registered(void **state)
{
    (void)state;
    struct fixture f;
    struct plait_metric a1 = metric(PLAIT_COUNTER, "a", "x=\"1\"");
    struct plait_metric b = metric(PLAIT_COUNTER, "b", "");
    struct plait_metric a2 = metric(PLAIT_COUNTER, "a", "x=\"2\"");
    struct plait_metric a3 = metric(PLAIT_COUNTER, "a", "x=\"3\"");
    begin(&f);
    plait_metrics_add(f.metrics, &a1);
    plait_metrics_add(f.metrics, &b);
    plait_metrics_add(f.metrics, &a2);
    plait_metrics_add(f.metrics, &a3);
    assert_written(&f, "# TYPE a counter\n# HELP a Help.\na_total{x=\"1\"} 0\na_total{x=\"2\"} 0\na_total{x=\"3\"} 0\n"
                       "# TYPE b counter\n# HELP b Help.\nb_total 0\n# EOF\n");
    end(&f);
}

static void metrics_leave_the_registry_in_any_order(void **state)
{
    (void)state;
    struct fixture f;
    struct plait_metric a = metric(PLAIT_GAUGE, "a", "");
    struct plait_metric b = metric(PLAIT_GAUGE, "b", "");
    struct plait_metric c = metric(PLAIT_GAUGE, "c", "");
    begin(&f);
    plait_metrics_add(f.metrics, &a);
    plait_metrics_add(f.metrics, &b);
    plait_metrics_add(f.metrics, &c);
    plait_metrics_remove(&b);
    plait_metrics_remove(&b); /* is left alone */
    plait_metrics_remove(&c);
    plait_metrics_add(f.metrics, &b);
    plait_metrics_remove(&a);
    assert_written(&f, "# TYPE b gauge\n# HELP b Help.\nb 0\n# EOF\n");
    end(&f);
    assert_null(b.registry); /* the end took it off */
}

static void a_metric_is_found_by_name_and_labels(void **state)
{
    (void)state;
    struct fixture f;
    struct plait_metric a = metric(PLAIT_GAUGE, "a", "");
    struct plait_metric labelled = metric(PLAIT_GAUGE, "a", "x=\"1\"");
    begin(&f);
    plait_metrics_add(f.metrics, &a);
    plait_metrics_add(f.metrics, &labelled);
    assert_ptr_equal(plait_metrics_find(f.metrics, "a", ""), &a);
    assert_ptr_equal(plait_metrics_find(f.metrics, "a", "x=\"1\""), &labelled);
    assert_null(plait_metrics_find(f.metrics, "a", "x=\"2\""));
    assert_null(plait_metrics_find(f.metrics, "b", ""));
    end(&f);
}

static void values_fall_into_buckets_by_their_size(void **state)
{
    (void)state;
    struct plait_histogram h = {.count = 0};
    plait_histogram_count(&h, 0);
    plait_histogram_count(&h, 1);
    plait_histogram_count(&h, 2);
    plait_histogram_count(&h, 3);
    plait_histogram_count(&h, 4);
    plait_histogram_count(&h, UINT64_MAX - 10);
    assert_int_equal(h.bucket[0], 1);
    assert_int_equal(h.bucket[1], 1);
    assert_int_equal(h.bucket[2], 2);
    assert_int_equal(h.bucket[3], 1);
    assert_int_equal(h.bucket[PLAIT_HISTOGRAM_BUCKETS - 1], 1);
    assert_int_equal(h.count, 6);
    assert_true(h.sum == UINT64_MAX);
    assert_true(h.max == UINT64_MAX - 10);
}

static void quantiles_are_the_bounds_of_their_buckets(void **state)
{
    (void)state;
    struct plait_histogram h = {.count = 0};
    assert_int_equal(plait_histogram_quantile(&h, 500), 0);
    for (int i = 0; i < 90; i++)
        plait_histogram_count(&h, 100);
    for (int i = 0; i < 10; i++)
        plait_histogram_count(&h, 5000);
    assert_int_equal(plait_histogram_quantile(&h, 500), 128);
    assert_int_equal(plait_histogram_quantile(&h, 900), 128);
    assert_int_equal(plait_histogram_quantile(&h, 901), 8192);
    assert_int_equal(plait_histogram_quantile(&h, 1000), 8192);
    plait_histogram_count(&h, UINT64_MAX);
    assert_true(plait_histogram_quantile(&h, 1000) == UINT64_MAX);
}

static void histograms_are_written_with_growing_buckets(void **state)
{
    (void)state;
    struct fixture f;
    struct plait_histogram h = {.count = 0};
    struct plait_metric m = metric(PLAIT_HISTOGRAM, "t_seconds", "x=\"1\"");
    struct plait_budget budget;
    struct plait_buf out;
    begin(&f);
    m.histogram = &h;
    m.scale = 1000000000;
    plait_histogram_count(&h, 1);
    plait_histogram_count(&h, 3000000000);
    plait_metrics_add(f.metrics, &m);
    plait_budget_init(&budget, NULL, NULL, 0);
    plait_buf_init(&out, &budget, 100000);
    plait_metrics_write(f.metrics, &out);
    const plait_slice text = plait_buf_slice(&out);
    static const char *const lines[] = {
        "# TYPE t_seconds histogram\n# HELP t_seconds Help.\nt_seconds_bucket{x=\"1\",le=\"0\"} 0\n",
        "t_seconds_bucket{x=\"1\",le=\"0\"} 0\nt_seconds_bucket{x=\"1\",le=\"0.000000001\"} 1\n",
        "t_seconds_bucket{x=\"1\",le=\"1.073741823\"} 1\nt_seconds_bucket{x=\"1\",le=\"+Inf\"} 2\n",
        "t_seconds_count{x=\"1\"} 2\nt_seconds_sum{x=\"1\"} 3.000000001\n# EOF\n",
    };
    for (size_t i = 0; i < TEST_COUNT(lines); i++) {
        if (plait_slice_find(text, plait_slice_text(lines[i]), 0) == SIZE_MAX)
            fail_msg("%s is missing in %.*s", lines[i], PLAIT_ARG(text));
    }
    plait_buf_deinit(&out);
    end(&f);
}

static void a_histogram_without_labels_has_only_its_bounds(void **state)
{
    (void)state;
    struct fixture f;
    struct plait_histogram h = {.count = 0};
    struct plait_metric m = metric(PLAIT_HISTOGRAM, "t", "");
    struct plait_budget budget;
    struct plait_buf out;
    begin(&f);
    m.histogram = &h;
    plait_metrics_add(f.metrics, &m);
    plait_budget_init(&budget, NULL, NULL, 0);
    plait_buf_init(&out, &budget, 100000);
    plait_metrics_write(f.metrics, &out);
    assert_true(plait_slice_find(plait_buf_slice(&out), PLAIT_LIT("\nt_bucket{le=\"0\"} 0\nt_bucket{le=\"1\"} 0\n"),
                                 0) != SIZE_MAX);
    assert_true(plait_slice_find(plait_buf_slice(&out), PLAIT_LIT("\nt_count 0\nt_sum 0\n"), 0) != SIZE_MAX);
    plait_buf_deinit(&out);
    end(&f);
}

static void without_memory_there_is_no_registry(void **state)
{
    (void)state;
    struct test_heap heap;
    struct plait_budget budget;
    test_heap_init(&heap, 1);
    plait_budget_init(&budget, NULL, &heap.allocator, 0);
    assert_null(plait_metrics_new(&budget));
}

TEST_MAIN(cmocka_unit_test(an_empty_registry_is_only_its_end), cmocka_unit_test(counters_and_gauges_are_written),
          cmocka_unit_test(values_are_shown_in_their_unit),
          cmocka_unit_test(a_family_stands_together_however_it_was_registered),
          cmocka_unit_test(metrics_leave_the_registry_in_any_order),
          cmocka_unit_test(a_metric_is_found_by_name_and_labels),
          cmocka_unit_test(values_fall_into_buckets_by_their_size),
          cmocka_unit_test(quantiles_are_the_bounds_of_their_buckets),
          cmocka_unit_test(histograms_are_written_with_growing_buckets),
          cmocka_unit_test(a_histogram_without_labels_has_only_its_bounds),
          cmocka_unit_test(without_memory_there_is_no_registry))
