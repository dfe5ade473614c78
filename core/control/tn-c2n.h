/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* What a control server asks of a node through the map stream (C2N): HTTP/1 in, HTTP/1 out. */

/* What only the node knows. */
typedef enum
{
  TN_C2N_REPORT_NONE,
  TN_C2N_REPORT_HEALTH,       /* JSON: {"Warnings": {code: {"WarnableCode", "Severity", "Title", "Text"}}} */
  TN_C2N_REPORT_METRICS,      /* in the text format of Prometheus */
} TnC2nReport;

/* The answer to a request, whatever that is made of; or NULL: it is the report in @report, for which the server waits for @limit_us. */
GBytes *tn_c2n_answer        (const char *request, gsize len, TnC2nReport *report, gint64 *limit_us);

/* The answer that is @report. @text: NULL: there is none. */
GBytes *tn_c2n_answer_report (TnC2nReport report, const char *text);

G_END_DECLS
