/* SPDX-License-Identifier: MIT
 *
 * The commands that amp_server answers and amp_client calls, declared once for both.
 */
#ifndef AMP_CALLS_H
#define AMP_CALLS_H

#include <plait/plait.h>

static const struct plait_amp_field sum_arguments[] = {PLAIT_AMP_FIELD("a", INTEGER), PLAIT_AMP_FIELD("b", INTEGER),
                                                       PLAIT_AMP_END};
static const struct plait_amp_field sum_response[] = {PLAIT_AMP_FIELD("total", INTEGER), PLAIT_AMP_END};
static const struct plait_amp_command sum = {.name = "Sum", .arguments = sum_arguments, .response = sum_response};

static const struct plait_amp_field divide_arguments[] = {PLAIT_AMP_FIELD("numerator", INTEGER),
                                                          PLAIT_AMP_FIELD("denominator", INTEGER), PLAIT_AMP_END};
static const struct plait_amp_field divide_response[] = {PLAIT_AMP_FIELD("result", FLOAT), PLAIT_AMP_END};
static const struct plait_amp_error divide_errors[] = {{"ZERO_DIVISION", PLAIT_EINVAL, false}, {NULL, PLAIT_OK, false}};
static const struct plait_amp_command divide = {
    .name = "Divide", .arguments = divide_arguments, .response = divide_response, .errors = divide_errors};

static const struct plait_amp_field data_field[] = {PLAIT_AMP_FIELD("data", STRING), PLAIT_AMP_END};
static const struct plait_amp_command echo = {.name = "Echo", .arguments = data_field, .response = data_field};

static const struct plait_amp_field sleep_arguments[] = {PLAIT_AMP_FIELD("ms", INTEGER), PLAIT_AMP_END};
static const struct plait_amp_error sleep_errors[] = {{"CANNOT_SLEEP", PLAIT_EINVAL, false}, {NULL, PLAIT_OK, false}};
static const struct plait_amp_command sleep_ms = {
    .name = "Sleep", .arguments = sleep_arguments, .errors = sleep_errors};

#endif
