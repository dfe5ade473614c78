/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-ip.h"

G_BEGIN_DECLS

/* JSON for programs, without white space: appends to a GString; a member puts the comma it needs before it. */
void tn_json_put_string          (GString *out, const char *text);
void tn_json_put_key             (GString *out, const char *name);
void tn_json_put_member_string   (GString *out, const char *name, const char *value);      /* nothing for NULL */
void tn_json_put_member_int      (GString *out, const char *name, gint64 value);
void tn_json_put_member_bool     (GString *out, const char *name, gboolean value);
void tn_json_put_member_raw      (GString *out, const char *name, const char *json);      /* nothing for NULL */
void tn_json_put_member_strv     (GString *out, const char *name, const char *const *values);      /* nothing for NULL */
void tn_json_put_member_time     (GString *out, const char *name, gint64 unix_us);      /* nothing for 0 */
void tn_json_put_member_address  (GString *out, const char *name, const TnIpAddress *address);      /* nothing for none */
void tn_json_put_member_prefixes (GString *out, const char *name, const TnIpPrefix *prefixes, gsize n);

G_END_DECLS
