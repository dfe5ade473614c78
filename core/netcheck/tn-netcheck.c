/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-netcheck.h"

#include "tn-boot-timer.h"
#include "tn-home-chooser.h"
#include "tn-netcheck-run.h"
#include "tn-probe-plan.h"

/* tailscale wgengine/magicsock: between 20 and 26 s after the last one, so that not all nodes ask at once. */
#define PERIOD_MIN_US    (20 * G_USEC_PER_SEC)
#define PERIOD_SPREAD_US (6 * G_USEC_PER_SEC)
#define FULL_EVERY_US    (5 * 60 * G_USEC_PER_SEC)

/* Each run resolves names and asks strangers: a server that has one relay map after the other does not get as many runs. */
#define BURST_US         (5 * G_USEC_PER_SEC)
#define BURST_MAX        8

struct _TnNetcheck
{
  TnNetcheckHooks   hooks;
  gpointer          user_data;
  GTlsDatabase     *tls_database;
  GProxyResolver   *proxy_resolver;
  guint32           mark;
  TnRelayMap       *map;
  TnHomeChooser    *chooser;
  TnNetcheckResult *last;
  guint             announced_home;
  guint32           luck;              /* stable a process: spreads homeless nodes over the regions */

  TnNetcheckRun    *run;
  GSource          *idle;              /* ends and begins runs outside of their own calls */
  GSource          *period;
  gint64            run_start_us;      /* boot time */
  gint64            last_full_us;      /* boot time; 0: never */
  gint64            burst_start_us;    /* boot time */
  guint             n_burst;           /* runs since then */
  gboolean          is_active;
  gboolean          tcp_only;
  gboolean          wants_another;
  gboolean          wants_anew;
};

static void
clear_source (GSource **source)
{
  if (*source == NULL)
    return;
  g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

/* --- Home --- */

static void
announce_home (TnNetcheck *netcheck)
{
  guint home = tn_home_chooser_get_home (netcheck->chooser);

  if (home == netcheck->announced_home)
    return;
  netcheck->announced_home = home;
  netcheck->hooks.home (netcheck->user_data, home);
}

static guint
count_homes (const TnRelayMap *map)
{
  guint n = 0;

  for (guint i = 0; i < map->regions->len; i++)
    n += tn_probe_region_can_be_home (g_ptr_array_index (map->regions, i)) ? 1 : 0;
  return n;
}

static guint
nth_home (const TnRelayMap *map,
          guint             n)
{
  for (guint i = 0; i < map->regions->len; i++)
    {
      const TnRelayRegion *region = g_ptr_array_index (map->regions, i);

      if (tn_probe_region_can_be_home (region) && n-- == 0)
        return region->id;
    }
  return 0;
}

static gboolean
can_be_home (const TnRelayMap *map,
             guint             region)
{
  const TnRelayRegion *found = tn_relay_map_lookup (map, region);

  return found != NULL && tn_probe_region_can_be_home (found);
}

static gint64
last_heard (gpointer user_data,
            guint    region)
{
  TnNetcheck *netcheck = user_data;

  return netcheck->hooks.last_heard_us != NULL ? netcheck->hooks.last_heard_us (netcheck->user_data, region) : G_MININT64;
}

/* Where nothing answered: what there was, else any, so that peers can find us if only the measurement fails. */
static void
choose_home (TnNetcheck             *netcheck,
             const TnNetcheckResult *result)
{
  g_autoptr (GArray) latencies = g_array_new (FALSE, FALSE, sizeof (TnRegionLatency));
  guint before = tn_home_chooser_get_home (netcheck->chooser);
  guint n_homes = count_homes (netcheck->map);
  TnHomeReport report;

  for (guint i = 0; i < result->regions->len; i++)
    {
      const TnNetcheckRegion *entry = &g_array_index (result->regions, TnNetcheckRegion, i);
      TnRegionLatency latency = { entry->region, entry->latency_ns };

      if (can_be_home (netcheck->map, entry->region))
        g_array_append_val (latencies, latency);
    }

  report = (TnHomeReport) {
    .latencies = (const TnRegionLatency *) (gpointer) latencies->data,
    .n_latencies = latencies->len,
    .start_us = netcheck->run_start_us,
    .now_us = tn_boot_time_us (),
    .last_heard_us = last_heard,
    .user_data = netcheck,
  };
  if (tn_home_chooser_update (netcheck->chooser, &report, netcheck->map) == 0 && n_homes > 0)
    tn_home_chooser_set_home (netcheck->chooser,
                              can_be_home (netcheck->map, before) ? before : nth_home (netcheck->map, netcheck->luck % n_homes));
}

/* --- Runs --- */

static void begin_run (TnNetcheck *netcheck);

static gboolean
period_cb (gpointer user_data)
{
  TnNetcheck *netcheck = user_data;

  clear_source (&netcheck->period);
  begin_run (netcheck);
  return G_SOURCE_REMOVE;
}

static void
schedule_in (TnNetcheck *netcheck,
             gint64      delay_us)
{
  clear_source (&netcheck->period);
  netcheck->period = g_timeout_source_new (0);
  g_source_set_static_name (netcheck->period, "tailnet netcheck");
  g_source_set_ready_time (netcheck->period, g_get_monotonic_time () + delay_us);
  g_source_set_callback (netcheck->period, period_cb, netcheck, NULL);
  g_source_attach (netcheck->period, g_main_context_get_thread_default ());
}

static void
schedule (TnNetcheck *netcheck)
{
  clear_source (&netcheck->period);
  if (netcheck->is_active && netcheck->map != NULL)
    schedule_in (netcheck, PERIOD_MIN_US + (gint64) g_random_int_range (0, PERIOD_SPREAD_US));
}

static gboolean
ended_cb (gpointer user_data)
{
  TnNetcheck *netcheck = user_data;

  clear_source (&netcheck->idle);
  g_clear_pointer (&netcheck->run, tn_netcheck_run_free);
  if (netcheck->wants_another)
    begin_run (netcheck);
  else
    schedule (netcheck);
  return G_SOURCE_REMOVE;
}

static void
done_cb (gpointer          user_data,
         TnNetcheckResult *result)
{
  TnNetcheck *netcheck = user_data;

  /* First, since a hook may ask for another run. */
  netcheck->idle = g_idle_source_new ();
  g_source_set_priority (netcheck->idle, G_PRIORITY_DEFAULT);
  g_source_set_callback (netcheck->idle, ended_cb, netcheck, NULL);
  g_source_attach (netcheck->idle, g_main_context_get_thread_default ());

  choose_home (netcheck, result);
  result->home = tn_home_chooser_get_home (netcheck->chooser);
  g_clear_pointer (&netcheck->last, tn_netcheck_result_unref);
  netcheck->last = tn_netcheck_result_ref (result);
  announce_home (netcheck);
  netcheck->hooks.result (netcheck->user_data, netcheck->last);
}

/* How long the next one has to wait; 0: it counts as begun. */
static gint64
take_turn_us (TnNetcheck *netcheck,
              gint64      now_us)
{
  if (now_us - netcheck->burst_start_us >= BURST_US)
    {
      netcheck->burst_start_us = now_us;
      netcheck->n_burst = 0;
    }
  if (netcheck->n_burst == BURST_MAX)
    return netcheck->burst_start_us + BURST_US - now_us;
  netcheck->n_burst++;
  return 0;
}

static void
begin_run (TnNetcheck *netcheck)
{
  gint64 now_us = tn_boot_time_us ();
  gboolean is_full = netcheck->wants_anew || netcheck->last == NULL || netcheck->last->regions->len == 0 ||
                     now_us - netcheck->last_full_us > FULL_EVERY_US;
  TnNetcheckRunConfig config = {
    .map = netcheck->map,
    .last = is_full ? NULL : netcheck->last,
    .home = tn_home_chooser_get_home (netcheck->chooser),
    .tls_database = netcheck->tls_database,
    .proxy_resolver = netcheck->proxy_resolver,
    .tcp_only = netcheck->tcp_only,
    .mark = netcheck->mark,
  };
  gint64 wait_us = netcheck->map != NULL ? take_turn_us (netcheck, now_us) : 0;

  netcheck->wants_another = FALSE;
  if (wait_us > 0)
    {
      schedule_in (netcheck, wait_us);
      return;
    }
  netcheck->wants_anew = FALSE;
  if (netcheck->map == NULL)
    return;

  clear_source (&netcheck->period);
  netcheck->run_start_us = now_us;
  if (is_full)
    netcheck->last_full_us = now_us;
  netcheck->run = tn_netcheck_run_new (&config, done_cb, netcheck);
}

void
tn_netcheck_run (TnNetcheck *netcheck,
                 gboolean    anew)
{
  netcheck->wants_anew |= anew;
  if (netcheck->run != NULL)
    netcheck->wants_another = TRUE;
  else
    begin_run (netcheck);
}

/* --- Settings --- */

void
tn_netcheck_set_relay_map (TnNetcheck *netcheck,
                           TnRelayMap *map)
{
  guint home = tn_home_chooser_get_home (netcheck->chooser);

  if (map == netcheck->map)
    return;
  if (map != NULL)
    tn_relay_map_ref (map);
  g_clear_pointer (&netcheck->map, tn_relay_map_unref);
  netcheck->map = map;

  /* What a run for the old map finds is of no use. */
  g_clear_pointer (&netcheck->run, tn_netcheck_run_free);
  clear_source (&netcheck->idle);
  clear_source (&netcheck->period);
  if (map == NULL)
    tn_home_chooser_set_home (netcheck->chooser, 0);
  else if (count_homes (map) == 1)
    tn_home_chooser_set_home (netcheck->chooser, nth_home (map, 0));
  else if (!can_be_home (map, home))
    tn_home_chooser_set_home (netcheck->chooser, 0);

  if (map != NULL)
    {
      netcheck->wants_anew = TRUE;
      begin_run (netcheck);
    }
  announce_home (netcheck);
}

void
tn_netcheck_set_active (TnNetcheck *netcheck,
                        gboolean    active)
{
  if (netcheck->is_active == active)
    return;

  netcheck->is_active = active;
  if (netcheck->run == NULL)
    schedule (netcheck);
}

void
tn_netcheck_set_tcp_only (TnNetcheck *netcheck,
                          gboolean    tcp_only)
{
  netcheck->tcp_only = tcp_only;
}

void
tn_netcheck_set_tls_database (TnNetcheck   *netcheck,
                              GTlsDatabase *database)
{
  g_set_object (&netcheck->tls_database, database);
}

void
tn_netcheck_set_proxy_resolver (TnNetcheck     *netcheck,
                                GProxyResolver *resolver)
{
  g_set_object (&netcheck->proxy_resolver, resolver);
}

void
tn_netcheck_set_mark (TnNetcheck *netcheck,
                      guint32     mark)
{
  netcheck->mark = mark;
}

guint
tn_netcheck_get_home (TnNetcheck *netcheck)
{
  return tn_home_chooser_get_home (netcheck->chooser);
}

const TnNetcheckResult *
tn_netcheck_get_last (TnNetcheck *netcheck)
{
  return netcheck->last;
}

TnNetcheck *
tn_netcheck_new (const TnNetcheckHooks *hooks,
                 gpointer               user_data)
{
  TnNetcheck *netcheck = g_new0 (TnNetcheck, 1);

  netcheck->hooks = *hooks;
  netcheck->user_data = user_data;
  netcheck->chooser = tn_home_chooser_new ();
  netcheck->luck = g_random_int ();
  return netcheck;
}

void
tn_netcheck_free (TnNetcheck *netcheck)
{
  clear_source (&netcheck->idle);
  clear_source (&netcheck->period);
  g_clear_pointer (&netcheck->run, tn_netcheck_run_free);
  g_clear_pointer (&netcheck->last, tn_netcheck_result_unref);
  g_clear_pointer (&netcheck->map, tn_relay_map_unref);
  g_clear_object (&netcheck->tls_database);
  g_clear_object (&netcheck->proxy_resolver);
  tn_home_chooser_free (netcheck->chooser);
  g_free (netcheck);
}
