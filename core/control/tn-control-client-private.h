/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <libsoup/soup.h>

#include "tn-control-client.h"
#include "tn-control-dial.h"
#include "tn-login.h"
#include "tn-netmap-update.h"
#include "tn-noise-connection.h"

G_BEGIN_DECLS

/* What is tried again by itself, each with a back-off of its own. */
typedef enum
{
  TN_RETRY_CONNECT,
  TN_RETRY_REGISTER,
  TN_RETRY_MAP,
  TN_RETRY_UPDATE,
  TN_N_RETRIES,
} TnRetryKind;

/* How long to wait after so many failures in a row; @random: 0 to 1. */
gint64 tn_control_backoff_us (guint failures, double random);

typedef struct
{
  TnControlClient *client;
  guint            failures;
  GSource         *timer;      /* of boot time; while it waits */
  gboolean         told;       /* by the server, how long */
} TnRetry;

struct _TnControlClient
{
  gatomicrefcount         ref_count;
  const TnControlHandler *handler;
  gpointer                user_data;
  GMainContext           *context;
  gboolean                running;

  /* What it works with. */
  TnControlUrl           *url;
  TnMachinePrivateKey    *machine_key;         /* both in the secret pool */
  TnNodePrivateKey       *node_key;
  TnNodePublicKey         old_node_key;
  TnDiscoPublicKey        disco_key;
  TnLockPublicKey         lock_key;
  char                   *auth_key;
  gboolean                ephemeral;
  TnHostinfo             *hostinfo;
  GArray                 *endpoints;           /* of TnOwnEndpoint */
  GProxyResolver         *proxy_resolver;
  guint32                 mark;
  GTlsDatabase           *tls_database;
  SoupSession            *soup;                /* while running: key and pings of the outer server */

  /* What it shows. */
  TnControlState          state;
  GError                 *error;
  TnRetryKind             error_kind;          /* what has to succeed for it to be over */
  gboolean                key_expired;         /* says the map, whatever else is wrong */

  TnRetry                 retries[TN_N_RETRIES];

  /* The connection. */
  GCancellable           *key_fetch;           /* while it runs */
  TnMachinePublicKey      control_key;
  gboolean                have_control_key;
  TnControlDial          *dial;
  gint64                  last_dial_us;        /* monotonic; 0: never */
  gint64                  dial_begin_us;       /* of boot time: of the one under way */
  GSource                *dial_timer;          /* of boot time; until it that one may finish, though the network is another one */
  TnDialPlan              dial_plan;           /* of the server, until the client is freed: it is for when DNS fails */
  gboolean                dial_plan_failed;    /* where it says there was nobody, and there was where DNS says */
  TnNoiseConnection      *connection;
  TnNoiseConnection      *leaving;             /* the one before, of which the server takes leave; only what is under way is on it */
  GSource                *leave_timer;         /* of boot time; until it that has to be done */

  /* Registration. */
  TnLogin                 login;
  TnNodePrivateKey       *next_key;            /* in the secret pool; nullable: to take the place of a node key that a server has taken, and
                                                * which stays until it takes this one */
  gboolean                keys_saved;
  gboolean                key_unsaved;         /* the node key was made here, and is not in the store for all we know */
  gboolean                node_key_is_new;     /* it came without having been registered */
  gboolean                key_known;           /* the server has seen the node key, for all we know: the auth key is not needed */
  gboolean                accepted;            /* the server has taken this node once: what it says later may pass */
  gboolean                auth_key_refused;    /* by a server that has taken this node before */
  gboolean                registered;
  TnHttp2Stream          *register_stream;
  gint64                  register_sent_us;    /* boot time */
  GByteArray             *register_body;

  /* Map stream. */
  TnHttp2Stream          *map_stream;
  guint                   map_serial;          /* of the stream */
  GByteArray             *map_buffer;
  TnNetmap               *netmap;              /* of the running stream, or of the last one */
  TnNetmap               *next_netmap;         /* of a stream whose first message has not come */
  TnNetmapChanges        *changes;
  char                   *session_handle;      /* nullable: by which the server may go on with the map where it was left */
  gint64                  session_seq;         /* the last message of it that counted */
  GSource                *sleep_timer;         /* of boot time; while the server wants messages to wait */
  char                   *open_url;            /* nullable: what the user shall look at, says the server of this stream */
  gint64                  map_good_us;         /* of boot time: the stream had its first message; 0: not yet */
  GSource                *watchdog;            /* of boot time, as the next one: it goes on while the machine sleeps */
  GSource                *expiry_timer;        /* of the node key; NULL until there is a map */
  gint64                  silence_max_us;
  GSource                *idle_timer;          /* of boot time; while a login waits for a person */
  gint64                  idle_received_us;    /* of the connection, as it was then */
  gint64                  idle_since_us;       /* of boot time: nothing has come */
  gboolean                idle_asked;          /* for a sign of life, then */
  gint64                  ping_after_us;
  gint64                  pong_max_us;
  GSource                *proof_timer;         /* of boot time; until it the connection has to show that it leads somewhere */
  gint64                  proof_received_us;   /* of the connection, when it was asked */
  guint                   proof_serial;        /* of the connection that was asked */
  guint                   connection_serial;
  gint64                  proof_max_us;
  guint                   map_refusals;        /* in a row */
  gboolean                map_doubted;         /* updates have been refused since one was taken */
  char                   *last_ping_url;
  gint64                  question_max_us;
  gint64                  request_max_us;
  GPtrArray              *questions;           /* of the server, under way: private to tn-control-ping.c */
  GPtrArray              *requests;            /* of the program, under way: private to tn-control-request.c */

  /* Updates. */
  TnHttp2Stream          *update_stream;
  GSource                *update_timer;        /* of boot time: until when its answer has to come */
  gint64                  update_max_us;
  guint64                 wanted_generation;
  guint64                 sent_generation;
  guint64                 known_generation;    /* of which the server knows */

  /* The end. */
  gboolean                logout_wanted;       /* as soon as there is a connection, until logout_timer says that it is too late */
  TnHttp2Stream          *logout_stream;
  GSource                *logout_timer;
  GSource                *done_source;
  GArray                 *waiters;           /* of TnControlWaiter: who hears of the end */
  GError                 *done_error;
  gboolean                logged_out;          /* says the server */
};

/* Who asked for the end. */
typedef struct
{
  TnControlDoneFunc done;
  gpointer          data;
  gboolean          wants_error;      /* of a logout */
} TnControlWaiter;

/* Does whatever can be done next. Every event ends with it. */
void tn_control_client_advance (TnControlClient *self);

/* Tries again later, and shows @error. */
void tn_control_client_retry   (TnControlClient *self, TnRetryKind kind, const GError *error);
void tn_control_client_retry_in (TnControlClient *self, TnRetryKind kind, gint64 wait_us);
void tn_control_client_retry_soon (TnControlClient *self, TnRetryKind kind);      /* nothing failed; unless it is so time and again */
void tn_control_client_retry_when_told (TnControlClient *self, TnRetryKind kind, const char *retry_after);      /* header; nullable */
void tn_control_client_retry_now (TnControlClient *self, TnRetryKind kind);      /* once, whatever failed before */
void tn_control_client_retry_reset (TnControlClient *self, TnRetryKind kind);
void tn_control_client_announce  (TnControlClient *self);      /* that something it shows is not what it was */
void tn_control_client_show_error (TnControlClient *self, TnRetryKind kind, const GError *error);      /* unless its refusal is shown */
void tn_control_client_set_state (TnControlClient *self, TnControlState state, const GError *error);
void tn_control_client_connect         (TnControlClient *self);
void tn_control_client_stop_connecting (TnControlClient *self);
void tn_control_client_dial_anew       (TnControlClient *self);      /* unless the dial under way is young: then later, if it is there still */
void tn_control_client_drop_connection (TnControlClient *self);
void tn_control_client_new_key (TnControlClient *self);
void tn_control_client_keep_key (TnControlClient *self);       /* the server does not want the next one */
void tn_control_client_adopt_key (TnControlClient *self);      /* the server has taken the next one */
void tn_control_client_finish  (TnControlClient *self, const GError *error);

TnHttp2Stream *tn_control_client_post (TnControlClient *self, const char *path, char *body, const TnHttp2StreamHandler *handler);

void tn_control_client_send_register (TnControlClient *self);
void tn_control_client_send_logout   (TnControlClient *self);
void tn_control_client_start_map     (TnControlClient *self);

/* In the client's context; @timer may be NULL yet. */
void tn_control_client_set_timer     (TnControlClient *self, GSource **timer, GSourceFunc callback, gint64 deadline_us);

/* The server has been silent for so long. */
void tn_control_client_lose_connection (TnControlClient *self, gint64 silence_us);

/* A request waits for a person: finds out if the server is gone meanwhile. */
void tn_control_client_watch_idle    (TnControlClient *self);

/* The network is another one: finds out within seconds if the connection still leads to the server. */
void tn_control_client_check_alive   (TnControlClient *self);

/* Something has to come within silence_max_us, or the connection counts as lost. */
void tn_control_client_feed_watchdog (TnControlClient *self);
void tn_control_client_stop_watchdog (TnControlClient *self);
void tn_control_client_stop_map      (TnControlClient *self);
void tn_control_client_forget_timers (TnControlClient *self);      /* of the map */
void tn_control_client_send_update   (TnControlClient *self);
void tn_control_client_stop_update   (TnControlClient *self);
void tn_control_client_answer_ping   (TnControlClient *self, const TnMapMessage *message);
void tn_control_client_end_questions (TnControlClient *self);
void tn_control_client_send_requests (TnControlClient *self);      /* those that wait for a connection */
void tn_control_client_end_requests  (TnControlClient *self);

G_END_DECLS
