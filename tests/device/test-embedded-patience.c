/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "device-kit.h"

/* A server that never becomes what it should be is asked again, ever more rarely: no fault that lasts turns a device into a busy loop.
 * What the device tries it says in its debug log; that much time may pass at least, and little of it is spent in working. */

#define REGION     902
#define N_ATTEMPTS 7
#define STEP_US    5000      /* the shortest wait of a relay's link after n failures: n² times this one, a millisecond less of timers */
#define CPU_MIN_US (300 * 1000)      /* chance may make waits so short that the work of the attempts shows */

static TnTestkitTailnet *tailnet;

static TnTestkitControl *
control (void)
{
  return tn_testkit_tailnet_get_control (tailnet);
}

/* --- What it tries --- */

typedef struct
{
  const char *domain;
  int         n;             /* atomic, as the next two: attempts that came to nothing */
  int         announced_ms;  /* how long it said that it would wait, in all but the last time */
  int         last_ms;
  int         disturbed;     /* atomic: this machine's routes changed, and the device tried at once */
} Attempts;

static void
note_wait (Attempts   *attempts,
           const char *message)
{
  const char *wait = strstr (message, "; again in ");
  int ms = 0;

  if (wait == NULL)
    return;
  g_assert_cmpint (sscanf (wait, "; again in %d ms", &ms), ==, 1);
  g_assert_cmpint (ms, <=, 2 * 10 * N_ATTEMPTS * N_ATTEMPTS * 2);
  g_atomic_int_add (&attempts->announced_ms, g_atomic_int_get (&attempts->last_ms));
  g_atomic_int_set (&attempts->last_ms, ms);
}

static void
log_cb (const char     *domain,
        GLogLevelFlags  level,
        const char     *message,
        gpointer        data)
{
  Attempts *attempts = data;
  gboolean of_relay = g_str_has_prefix (message, "region 902: ") && !g_str_has_suffix (message, ": up");

  if (g_str_equal (message, "control: the network changed"))
    g_atomic_int_set (&attempts->disturbed, TRUE);
  if (of_relay || (g_str_has_prefix (message, "control: ") && strstr (message, "; again in ") != NULL && strstr (message, "update") == NULL))
    {
      g_test_message ("%s", message);
      if (g_atomic_int_get (&attempts->n) < N_ATTEMPTS)
        note_wait (attempts, message);
      g_atomic_int_inc (&attempts->n);
      g_main_context_wakeup (NULL);
    }
}

static gboolean
tried_enough (gpointer data)
{
  return g_atomic_int_get (&((Attempts *) data)->n) >= N_ATTEMPTS;
}

/* --- What that costs --- */

typedef struct
{
  GSource source;
  guint   n_turns;
} TurnSource;

static gboolean
turn_prepare (GSource *source,
              int     *timeout_ms)
{
  ((TurnSource *) source)->n_turns++;
  *timeout_ms = -1;
  return FALSE;
}

static GSourceFuncs turn_funcs = { .prepare = turn_prepare };

static gint64
cpu_time_us (void)
{
  struct timespec now;

  g_assert_no_errno (clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &now));
  return (gint64) now.tv_sec * G_USEC_PER_SEC + now.tv_nsec / 1000;
}

static gint64
shortest_us (void)
{
  gint64 sum_us = 0;

  for (guint n = 1; n < N_ATTEMPTS; n++)
    sum_us += n * n * STEP_US - 1000;
  return sum_us;
}

/* The main context of the program turns when there is something to tell. */
#define TURNS_MAX (N_ATTEMPTS * 60)

typedef struct
{
  Attempts attempts;
  GSource *turns;
  gboolean others_work;      /* a server in this process has as much to do */
  guint    handler;
  gint64   begin_us;
  gint64   begin_cpu_us;
} Watch;

static void
watch_begin (Watch      *watch,
             const char *domain)
{
  *watch = (Watch) { .attempts = { .domain = domain }, .turns = g_source_new (&turn_funcs, sizeof (TurnSource)) };
  g_source_attach (watch->turns, NULL);
  watch->handler = g_log_set_handler (domain, G_LOG_LEVEL_DEBUG, log_cb, &watch->attempts);
  watch->begin_us = g_get_monotonic_time ();
  watch->begin_cpu_us = cpu_time_us ();
}

/* How the shortest time is known: by a rule, from what was said, or not at all. */
typedef enum { BY_RULE, AS_SAID, NOT_KNOWN } Wait;

static gint64
least_us (Watch *watch,
          Wait   wait)
{
  gint64 said_us = g_atomic_int_get (&watch->attempts.announced_ms) * (gint64) 1000;

  return wait == BY_RULE ? shortest_us () : wait == AS_SAID ? said_us : 0;
}

static void
watch_end (Watch *watch,
           Wait   wait)
{
  gint64 took_us, cpu_us;
  guint n_turns;

  kit_wait_for ("attempts", tried_enough, &watch->attempts);
  took_us = g_get_monotonic_time () - watch->begin_us;
  cpu_us = cpu_time_us () - watch->begin_cpu_us;
  n_turns = ((TurnSource *) watch->turns)->n_turns;
  g_test_message ("%d attempts in %d ms, of which %d ms of work, and %u turns", watch->attempts.n, (int) (took_us / 1000),
                  (int) (cpu_us / 1000), n_turns);
  if (g_atomic_int_get (&watch->attempts.disturbed))
    return;
  g_assert_cmpint (took_us, >=, least_us (watch, wait));
  if (watch->others_work)
    return;
  g_assert_cmpint (cpu_us, <, MAX (took_us / 2, CPU_MIN_US));
  g_assert_cmpuint (n_turns, <, TURNS_MAX);
}

static void
watch_clear (Watch *watch)
{
  g_log_remove_handler (watch->attempts.domain, watch->handler);
  g_source_destroy (watch->turns);
  g_source_unref (watch->turns);
}

/* --- A server of no use --- */

typedef struct
{
  GSocketService *service;
  const char     *answer;      /* NULL: none */
  guint           n_accepted;
  guint16         port;
} Useless;

static gboolean
useless_cb (GSocketService    *service,
            GSocketConnection *connection,
            GObject           *source,
            gpointer           data)
{
  Useless *useless = data;

  useless->n_accepted++;
  if (useless->answer != NULL)
    g_socket_send (g_socket_connection_get_socket (connection), useless->answer, strlen (useless->answer), NULL, NULL);
  g_io_stream_close (G_IO_STREAM (connection), NULL, NULL);
  return TRUE;
}

static void
useless_begin (Useless    *useless,
               const char *answer)
{
  g_autoptr (GError) error = NULL;

  *useless = (Useless) { .service = g_socket_service_new (), .answer = answer };
  g_signal_connect (useless->service, "incoming", G_CALLBACK (useless_cb), useless);
  useless->port = g_socket_listener_add_any_inet_port (G_SOCKET_LISTENER (useless->service), NULL, &error);
  g_assert_no_error (error);
}

static void
useless_end (Useless *useless)
{
  g_socket_service_stop (useless->service);
  g_socket_listener_close (G_SOCKET_LISTENER (useless->service));
  g_object_unref (useless->service);
}

static const struct { const char *name; const char *answer; gboolean refuses; } cases[] = {
  { "refuses", NULL, TRUE },
  { "closes", NULL, FALSE },
  { "garbage", "\xff\xfe nothing that anybody asked for\r\n\r\n", FALSE },
  { "error", "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n", FALSE },
};

/* --- Control --- */

static void
stop_start (TnDevice     *device,
            GAsyncResult **started)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (*started);
  kit_stop (device);
  g_assert_false (tn_device_start_finish (device, kit_wait (started), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

static void
check_useless_control (guint i)
{
  g_autoptr (GAsyncResult) started = NULL;
  g_autoptr (TnDevice) device = NULL;
  g_autofree char *url = NULL;
  Useless useless;
  Watch watch;

  useless_begin (&useless, cases[i].answer);
  url = g_strdup_printf ("http://127.0.0.1:%u", useless.port);
  if (cases[i].refuses)
    useless_end (&useless);
  g_test_message ("%s", cases[i].name);
  device = TN_DEVICE (tn_embedded_device_new ("patient", url, NULL));
  watch_begin (&watch, "tailnet");
  tn_device_start_async (device, NULL, kit_result_cb, &started);
  watch_end (&watch, AS_SAID);
  g_assert_cmpuint (useless.n_accepted, <=, 4 * N_ATTEMPTS);      /* with the other port, and twice */
  stop_start (device, &started);
  watch_clear (&watch);
  if (!cases[i].refuses)
    useless_end (&useless);
}

static void
test_control (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    check_useless_control (i);
}

/* Good as far as it goes, and the same fault each time after that. Whose map is refused asks whether it has been forgotten, and then
 * for the map at once: every third wait is left out. */
static void
test_control_stages (void)
{
  static const struct { TnTestkitStage stage; TnTestkitFault fault; gboolean registers_again; } stages[] = {
    { TN_TESTKIT_STAGE_UPGRADE, TN_TESTKIT_FAULT_CLOSE, FALSE },
    { TN_TESTKIT_STAGE_UPGRADE, TN_TESTKIT_FAULT_GARBAGE, FALSE },
    { TN_TESTKIT_STAGE_REGISTER, TN_TESTKIT_FAULT_CLOSE, FALSE },
    { TN_TESTKIT_STAGE_REGISTER, TN_TESTKIT_FAULT_BAD_JSON, FALSE },
    { TN_TESTKIT_STAGE_REGISTER, TN_TESTKIT_FAULT_SERVER_ERROR, FALSE },
    { TN_TESTKIT_STAGE_MAP, TN_TESTKIT_FAULT_CLOSE, FALSE },
    { TN_TESTKIT_STAGE_MAP, TN_TESTKIT_FAULT_GARBAGE, FALSE },
    { TN_TESTKIT_STAGE_MAP, TN_TESTKIT_FAULT_TRUNCATED, FALSE },
    { TN_TESTKIT_STAGE_MAP, TN_TESTKIT_FAULT_SERVER_ERROR, TRUE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (stages); i++)
    {
      g_autoptr (TnDevice) device = kit_device_new (tailnet, "patient", NULL, TRUE);
      g_autoptr (GAsyncResult) started = NULL;
      Watch watch;

      g_test_message ("stage %d, fault %d", (int) stages[i].stage, (int) stages[i].fault);
      tn_testkit_control_inject_fault (control (), stages[i].stage, stages[i].fault, G_MAXUINT);
      watch_begin (&watch, "tailnet");
      tn_device_start_async (device, NULL, kit_result_cb, &started);
      watch_end (&watch, stages[i].registers_again ? NOT_KNOWN : AS_SAID);
      stop_start (device, &started);
      watch_clear (&watch);
      tn_testkit_control_inject_fault (control (), stages[i].stage, TN_TESTKIT_FAULT_NONE, 0);
    }
}

/* --- A server that is good for a moment, each time --- */

static gboolean
end_streams_cb (gpointer data)
{
  tn_testkit_control_end_streams (control (), "fickle");
  return G_SOURCE_CONTINUE;
}

static gboolean
drop_connections_cb (gpointer data)
{
  tn_testkit_control_drop_connections (control (), "fickle");
  return G_SOURCE_CONTINUE;
}

static void
check_fickle_control (GSourceFunc func)
{
  g_autoptr (TnDevice) device = kit_device_join (tailnet, "fickle");
  GSource *source = g_timeout_source_new (1);
  Watch watch;

  watch_begin (&watch, "tailnet");
  watch.others_work = TRUE;
  g_source_set_callback (source, func, NULL, NULL);
  g_source_attach (source, NULL);
  watch_end (&watch, AS_SAID);
  g_source_destroy (source);
  g_source_unref (source);
  kit_wait_healthy (device, "control-connection");
  kit_free (g_steal_pointer (&device));
  watch_clear (&watch);
}

static void
test_control_fickle (void)
{
  check_fickle_control (end_streams_cb);
  check_fickle_control (drop_connections_cb);
}

/* --- A relay --- */

static void
check_useless_relay (TnTestkitStun *stun,
                     guint          i)
{
  g_autoptr (TnDevice) device = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *map = NULL;
  Useless useless;
  Watch watch;

  useless_begin (&useless, cases[i].answer);
  map = g_strdup_printf ("{\"Regions\":{\"%u\":{\"RegionID\":%u,\"RegionCode\":\"no\",\"Nodes\":[{\"Name\":\"a\",\"RegionID\":%u,"
                         "\"HostName\":\"127.0.0.1\",\"IPv4\":\"127.0.0.1\",\"IPv6\":\"none\",\"DERPPort\":%u,\"STUNPort\":%u}]}}}",
                         REGION, REGION, REGION, useless.port, tn_testkit_stun_get_port (stun));
  g_assert_true (tn_testkit_control_set_derp_map_json (control (), map, &error));
  if (cases[i].refuses)
    useless_end (&useless);
  g_test_message ("%s", cases[i].name);
  watch_begin (&watch, "tailnet-derp");
  device = kit_device_join (tailnet, "alone");
  watch_end (&watch, BY_RULE);
  g_assert_cmpuint (useless.n_accepted, <=, 4 * N_ATTEMPTS);      /* with probes of its latency */
  g_assert_cmpint (tn_device_get_state (device), ==, TN_DEVICE_STATE_RUNNING);
  kit_free (g_steal_pointer (&device));
  watch_clear (&watch);
  if (!cases[i].refuses)
    useless_end (&useless);
}

static void
test_relay (void)
{
  g_autoptr (TnTestkitStun) stun = tn_testkit_stun_new ();
  g_autoptr (GError) error = NULL;

  g_assert_true (tn_testkit_stun_start (stun, &error));
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    check_useless_relay (stun, i);
}

int
main (int    argc,
      char **argv)
{
  int code;

  g_test_init (&argc, &argv, NULL);
  tailnet = kit_tailnet_new ();
  g_test_add_func ("/device/embedded-patience/control", test_control);
  g_test_add_func ("/device/embedded-patience/control-stages", test_control_stages);
  g_test_add_func ("/device/embedded-patience/control-fickle", test_control_fickle);
  g_test_add_func ("/device/embedded-patience/relay", test_relay);
  code = g_test_run ();
  g_object_unref (tailnet);
  return code;
}
