/* SPDX-License-Identifier: MIT
 *
 * The registry of metrics and its text form (OpenMetrics 1.0.0). The metrics themselves live in their owners; the
 * registry is a list of them in the order of registration, except that those of one name stand together, as the text
 * form wants it.
 *
 * Invariant: counting touches the owner's numbers only.
 * Test: tests/base/test_metrics.c.
 */
#include <plait/metrics.h>

#include <inttypes.h>

struct plait_metrics {
    struct plait_metric *first;
};

struct plait_metrics *plait_metrics_new(struct plait_budget *budget)
{
    return plait_mem_new(budget, sizeof(struct plait_metrics));
}

void plait_metrics_free(struct plait_metrics **metrics)
{
    struct plait_metrics *m = *metrics;
    if (!m)
        return;
    *metrics = NULL;
    while (m->first)
        plait_metrics_remove(m->first);
    plait_mem_free(m);
}

void plait_metrics_add(struct plait_metrics *metrics, struct plait_metric *metric)
{
    struct plait_metric **at = &metrics->first;
    struct plait_metric **behind_family = NULL;
    for (; *at; at = &(*at)->next) {
        if (strcmp((*at)->name, metric->name) == 0)
            behind_family = &(*at)->next;
    }
    if (behind_family)
        at = behind_family;
    metric->registry = metrics;
    metric->next = *at;
    *at = metric;
}

void plait_metrics_remove(struct plait_metric *metric)
{
    struct plait_metrics *m = metric->registry;
    if (!m)
        return;
    struct plait_metric **at = &m->first;
    while (*at != metric)
        at = &(*at)->next;
    *at = metric->next;
    metric->next = NULL;
    metric->registry = NULL;
}

struct plait_metric *plait_metrics_find(const struct plait_metrics *metrics, const char *name, const char *labels)
{
    for (struct plait_metric *m = metrics->first; m; m = m->next) {
        if (strcmp(m->name, name) == 0 && strcmp(m->labels, labels) == 0)
            return m;
    }
    return NULL;
}

static unsigned bucket_of(uint64_t value)
{
    const unsigned bits = value ? 64u - (unsigned)__builtin_clzll(value) : 0;
    return bits < PLAIT_HISTOGRAM_BUCKETS ? bits : PLAIT_HISTOGRAM_BUCKETS - 1;
}

void plait_histogram_count(struct plait_histogram *histogram, uint64_t value)
{
    histogram->bucket[bucket_of(value)]++;
    histogram->count++;
    histogram->sum += value;
    if (value > histogram->max)
        histogram->max = value;
}

uint64_t plait_histogram_quantile(const struct plait_histogram *histogram, unsigned permille)
{
    const uint64_t want = (histogram->count * permille + 999) / 1000;
    uint64_t seen = 0;
    if (histogram->count == 0)
        return 0;
    for (unsigned i = 0; i < PLAIT_HISTOGRAM_BUCKETS - 1; i++) {
        seen += histogram->bucket[i];
        if (seen >= want)
            return (uint64_t)1 << i;
    }
    return histogram->max;
}

/* --- text --------------------------------------------------------------------------------------------------------- */

/* A counted value in the shown unit: a decimal fraction without trailing zeroes. */
static void put_scaled(struct plait_buf *out, uint64_t value, int64_t scale)
{
    const uint64_t unit = scale > 1 ? (uint64_t)scale : 1;
    plait_buf_put_u64_text(out, value / unit);
    uint64_t rest = value % unit;
    if (rest == 0)
        return;
    plait_buf_put_u8(out, '.');
    for (uint64_t step = unit / 10; rest > 0 && step > 0; step /= 10) {
        plait_buf_put_u8(out, (uint8_t)('0' + rest / step));
        rest %= step;
    }
}

static void put_name(struct plait_buf *out, const struct plait_metric *m, const char *suffix, const char *extra_label)
{
    const bool both = m->labels[0] && extra_label[0];
    plait_buf_printf(out, "%s%s", m->name, suffix);
    if (m->labels[0] || extra_label[0])
        plait_buf_printf(out, "{%s%s%s", m->labels, both ? "," : "", extra_label);
}

static void put_value(struct plait_buf *out, const struct plait_metric *m, const char *suffix, uint64_t value,
                      int64_t scale)
{
    put_name(out, m, suffix, "");
    plait_buf_put_text(out, m->labels[0] ? "} " : " ");
    put_scaled(out, value, scale);
    plait_buf_put_u8(out, '\n');
}

static void put_histogram(struct plait_buf *out, const struct plait_metric *m)
{
    uint64_t below = 0;
    for (unsigned i = 0; i < PLAIT_HISTOGRAM_BUCKETS - 1; i++) {
        below += m->histogram->bucket[i];
        put_name(out, m, "_bucket", "le=\"");
        put_scaled(out, ((uint64_t)1 << i) - 1, m->scale); /* the largest value in it: "le" includes its bound */
        plait_buf_printf(out, "\"} %" PRIu64 "\n", below);
    }
    put_name(out, m, "_bucket", "le=\"+Inf\"");
    plait_buf_printf(out, "} %" PRIu64 "\n", m->histogram->count);
    put_value(out, m, "_count", m->histogram->count, 1);
    put_value(out, m, "_sum", m->histogram->sum, m->scale);
}

static bool same_family(const struct plait_metric *a, const struct plait_metric *b)
{
    return a && strcmp(a->name, b->name) == 0;
}

static void put_family(struct plait_buf *out, const struct plait_metric *m)
{
    static const char *const kinds[] = {"counter", "gauge", "histogram"};
    plait_buf_printf(out, "# TYPE %s %s\n", m->name, kinds[m->kind]);
    if (m->unit[0])
        plait_buf_printf(out, "# UNIT %s %s\n", m->name, m->unit);
    plait_buf_printf(out, "# HELP %s %s\n", m->name, m->help);
}

static void put_number(struct plait_buf *out, const struct plait_metric *m)
{
    if (m->value >= 0) {
        put_value(out, m, m->kind == PLAIT_COUNTER ? "_total" : "", (uint64_t)m->value, m->scale);
        return;
    }
    put_name(out, m, "", "");
    plait_buf_put_text(out, m->labels[0] ? "} -" : " -");
    put_scaled(out, 0 - (uint64_t)m->value, m->scale);
    plait_buf_put_u8(out, '\n');
}

void plait_metrics_write(const struct plait_metrics *metrics, struct plait_buf *out)
{
    const struct plait_metric *before = NULL;
    for (const struct plait_metric *m = metrics->first; m; m = m->next) {
        if (!same_family(before, m))
            put_family(out, m);
        if (m->kind == PLAIT_HISTOGRAM)
            put_histogram(out, m);
        else
            put_number(out, m);
        before = m;
    }
    plait_buf_put_text(out, "# EOF\n");
}
