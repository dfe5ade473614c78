/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-wire-control.h"

G_BEGIN_DECLS

/* What to do with the answer to a register request (control protocol; the order in which things are looked at matters). No I/O. */
typedef enum
{
  TN_LOGIN_DONE,          /* registered with the key that was sent */
  TN_LOGIN_NEW_KEY,       /* the key has expired, or another one shall be signed: at once again with a new one */
  TN_LOGIN_FOLLOW,        /* a new URL to show: at once again with it as Followup */
  TN_LOGIN_FOLLOW_LATER,  /* the same URL again: likewise, after a while */
  TN_LOGIN_WAIT,          /* the server is busy: again after wait_us */
  TN_LOGIN_RETRY,         /* again after a while */
  TN_LOGIN_REFUSED,       /* no use in trying again: the server's words are in the error */
} TnLoginVerdict;

typedef struct
{
  char    *auth_url;      /* nullable: the login goes on there */
  gboolean fresh_key;     /* the key was made for this login: it cannot have expired */
  gint64   wait_us;
  gboolean machine_authorized;
  char    *login_name;    /* nullable */
} TnLogin;

void           tn_login_clear    (TnLogin *login);

/* @retry_after: header, nullable. @now_us: Unix time, for a date in it. The error is set for the last three verdicts. */
TnLoginVerdict tn_login_evaluate (TnLogin *login, guint status, const char *retry_after, const char *body, gsize len, gint64 now_us,
                                  GError **error);

/* What a logout was answered with status 200. FALSE: it says no, or nothing that makes sense. */
gboolean       tn_login_check_logout (const char *body, gsize len, GError **error);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (TnLogin, tn_login_clear)

/* TRUE: a server that answers with @status asks to be left alone for a time. @retry_after: header, nullable. */
gboolean tn_login_asks_to_wait (guint status, const char *retry_after);

/* How long a server wants to be left alone: the value of Retry-After, which is seconds or a date; NULL or nonsense: a few seconds. */
gint64 tn_login_parse_retry_after (const char *text, gint64 now_us);

G_END_DECLS
