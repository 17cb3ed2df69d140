/* SPDX-License-Identifier: MIT
 *
 * Counters, gauges and histograms, in one registry a reactor. Counting is an addition to a number that its owner holds:
 * no look-up, no lock, no allocation.
 */
#ifndef PLAIT_METRICS_H
#define PLAIT_METRICS_H

#include <plait/bytes.h>

PLAIT_BEGIN

enum plait_metric_kind { PLAIT_COUNTER, PLAIT_GAUGE, PLAIT_HISTOGRAM };

#define PLAIT_HISTOGRAM_BUCKETS 32 /* bucket i counts values < 2^i; the last counts the rest */

struct plait_histogram {
    uint64_t bucket[PLAIT_HISTOGRAM_BUCKETS];
    uint64_t count;
    uint64_t sum;
    uint64_t max;
};

/* A metric is embedded in its owner and registered once. */
struct plait_metric {
    enum plait_metric_kind kind;
    const char *name;   /* OpenMetrics name without suffix, such as "plait_connections" */
    const char *help;   /* one sentence */
    const char *unit;   /* "bytes", "seconds", … or "" */
    const char *labels; /* ready text such as protocol="http", or "" */
    int64_t value;      /* counter and gauge */
    struct plait_histogram *histogram;
    int64_t scale; /* divisor from the counted unit to the shown one, 0 means 1 (1000000000 shows ns as seconds) */
    struct plait_metric *next;
    struct plait_metrics *registry;
};

struct plait_metrics;

/** Makes a registry. Returns NULL when there is no memory. Ownership: the caller's, ended with plait_metrics_free. */
PLAIT_API struct plait_metrics *plait_metrics_new(struct plait_budget *budget) PLAIT_MUST;

/** Ends a registry; what is still registered is taken off. Takes NULL and leaves NULL. */
PLAIT_API void plait_metrics_free(struct plait_metrics **metrics);

/** Registers a metric; fill kind, name, help, unit, labels, scale (and histogram) first. Never fails.
 * Ownership: the metric stays its owner's, who takes it off before it goes. */
PLAIT_API void plait_metrics_add(struct plait_metrics *metrics, struct plait_metric *metric);

/** Takes a metric off; one that is not registered is left alone. */
PLAIT_API void plait_metrics_remove(struct plait_metric *metric);

/** Adds to a counter or gauge. */
static inline void plait_metric_add(struct plait_metric *metric, int64_t n)
{
    metric->value += n;
}

/** Sets a gauge. */
static inline void plait_metric_set(struct plait_metric *metric, int64_t value)
{
    metric->value = value;
}

/** Counts a value, such as a span in nanoseconds, in a histogram. */
PLAIT_API void plait_histogram_count(struct plait_histogram *histogram, uint64_t value);

/** Value below which `permille` of the counted values lie, rounded up to its bucket's bound; 0 when nothing was
 * counted. */
PLAIT_API uint64_t plait_histogram_quantile(const struct plait_histogram *histogram, unsigned permille);

/** Writes all metrics in the OpenMetrics text format, "# EOF" included. Errors: in the buffer.
 * Source: OpenMetrics 1.0.0. */
PLAIT_API void plait_metrics_write(const struct plait_metrics *metrics, struct plait_buf *out);

/** Finds a registered metric by name and labels. Ownership: borrowed; NULL when there is none. */
PLAIT_API struct plait_metric *plait_metrics_find(const struct plait_metrics *metrics, const char *name,
                                                  const char *labels);

PLAIT_END
#endif
