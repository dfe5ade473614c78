/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-netcheck-run.h"

#include <libsoup/soup.h>

#include "tn-box.h"
#include "tn-latency-probe.h"
#include "tn-probe-plan.h"
#include "tn-socket-mark.h"
#include "tn-stun-socket.h"

/* tailscale net/netcheck/netcheck.go */
#define STUN_LIMIT_MS     3000
#define REPORT_LIMIT_MS   5000
#define HTTPS_PROBES_MAX 200      /* regions, of which the world has some tens */
#define ENOUGH_REGIONS    3

/* Each takes one of the ten threads that GIO has for all of the process, and keeps it for as long as a resolver says nothing, even
 * when it is cancelled: what the program itself waits for must find one. */
#define LOOKUPS_MAX 8

typedef struct
{
  TnNetcheckRun *run;
  TnProbeSet     plan;
  guint          next_try;
  guint          n_lookups;        /* names being resolved */
  gboolean       is_done;
  GSource       *timer;
} Set;

typedef struct
{
  TnStunTxid txid;
  Set       *set;
  gint64     sent_us;
} Sent;

/* What outlives a run that is freed: operations that were cancelled still come back. */
struct _TnNetcheckRun
{
  guint              ref_count;
  gboolean           is_freed;
  TnRelayMap        *map;
  gboolean           is_full;
  GTlsDatabase      *tls_database;
  GProxyResolver    *proxy_resolver;
  guint32            mark;
  TnNetcheckRunFunc  done;
  gpointer           user_data;

  TnNetcheckResult  *result;
  gint64             start_us;
  GCancellable      *cancellable;
  TnStunSocket      *sockets[2];   /* IPv4, IPv6; NULL: the system has no such thing */
  GPtrArray         *sets;         /* of Set */
  GHashTable        *sent;         /* TnStunTxid -> Sent */
  GQueue             waiting;      /* of Lookup: for those before them */
  guint              n_looking;
  gboolean           stun_is_over;
  GSource           *limit;        /* end of the phase */
  GSource           *enough;       /* its early end */
  SoupSession       *session;
  guint              n_probes;     /* latency checks under way */
};

static TnNetcheckRun *
run_ref (TnNetcheckRun *run)
{
  run->ref_count++;
  return run;
}

static void
run_unref (TnNetcheckRun *run)
{
  if (--run->ref_count > 0)
    return;

  tn_relay_map_unref (run->map);
  tn_netcheck_result_unref (run->result);
  g_clear_object (&run->tls_database);
  g_clear_object (&run->proxy_resolver);
  g_object_unref (run->cancellable);
  g_clear_object (&run->session);
  g_ptr_array_unref (run->sets);
  g_hash_table_unref (run->sent);
  g_free (run);
}

static void
clear_source (GSource **source)
{
  if (*source == NULL)
    return;
  g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

static void
set_timer (GSource    **source,
           gint64       delay_us,
           GSourceFunc  func,
           gpointer     data)
{
  clear_source (source);
  *source = g_timeout_source_new (0);
  g_source_set_ready_time (*source, g_get_monotonic_time () + delay_us);
  g_source_set_callback (*source, func, data, NULL);
  g_source_attach (*source, g_main_context_get_thread_default ());
}

static void
set_free (gpointer data)
{
  Set *set = data;

  clear_source (&set->timer);
  g_free (set);
}

/* --- End --- */

static void
stop_everything (TnNetcheckRun *run)
{
  g_cancellable_cancel (run->cancellable);
  g_queue_clear_full (&run->waiting, g_free);
  clear_source (&run->limit);
  clear_source (&run->enough);
  for (guint i = 0; i < run->sets->len; i++)
    clear_source (&((Set *) g_ptr_array_index (run->sets, i))->timer);
  g_clear_pointer (&run->sockets[0], tn_stun_socket_free);
  g_clear_pointer (&run->sockets[1], tn_stun_socket_free);
}

static void
finish (TnNetcheckRun *run)
{
  stop_everything (run);
  run->done (run->user_data, run->result);
}

static gboolean
limit_cb (gpointer user_data)
{
  finish (user_data);
  return G_SOURCE_REMOVE;
}

/* --- Without UDP: HTTPS --- */

static void
probed_cb (GObject      *object,
           GAsyncResult *result,
           gpointer      user_data)
{
  g_autofree gpointer *pair = user_data;
  TnNetcheckRun *run = pair[0];
  guint region = GPOINTER_TO_UINT (pair[1]);
  g_autoptr (GInetAddress) remote = NULL;
  g_autoptr (GError) error = NULL;
  gint64 latency_ns = tn_latency_probe_finish (SOUP_SESSION (object), result, &remote, &error);

  run->n_probes--;
  if (latency_ns >= 0 && !run->is_freed)
    {
      TnNetcheckRegion *entry = tn_netcheck_result_ensure (run->result, region);

      entry->latency_ns = MIN (entry->latency_ns, MAX (latency_ns, 1));
      if (remote != NULL && g_inet_address_get_family (remote) == G_SOCKET_FAMILY_IPV6)
        run->result->ipv6 = TRUE;
      else if (remote != NULL)
        run->result->ipv4 = TRUE;
    }
  else if (latency_ns < 0)
    g_debug ("latency of relay region %u: %s", region, error->message);

  if (!run->is_freed && run->n_probes == 0 && !g_cancellable_is_cancelled (run->cancellable))
    finish (run);
  run_unref (run);
}

static const TnRelayNode *
node_to_probe (const TnRelayRegion *region)
{
  for (guint i = 0; i < region->nodes->len; i++)
    {
      const TnRelayNode *node = g_ptr_array_index (region->nodes, i);

      if (!node->stun_only)
        return node;
    }
  return NULL;
}

static void
begin_https (TnNetcheckRun *run)
{
  run->session = soup_session_new_with_options ("max-conns", LOOKUPS_MAX, NULL);
  tn_socket_mark_session (run->session, run->mark);
  if (run->tls_database != NULL)
    soup_session_set_tls_database (run->session, run->tls_database);
  if (run->proxy_resolver != NULL)
    soup_session_set_proxy_resolver (run->session, run->proxy_resolver);

  run->n_probes = 1;      /* held until all are under way */
  for (guint i = 0; i < run->map->regions->len && run->n_probes <= HTTPS_PROBES_MAX; i++)
    {
      const TnRelayRegion *region = g_ptr_array_index (run->map->regions, i);
      const TnRelayNode *node = node_to_probe (region);
      gpointer *pair;

      if (node == NULL || region->avoid || region->no_measure_no_home)
        continue;
      pair = g_new (gpointer, 2);
      pair[0] = run_ref (run);
      pair[1] = GUINT_TO_POINTER (region->id);
      run->n_probes++;
      tn_latency_probe_async (run->session, run->tls_database, node, run->cancellable, probed_cb, pair);
    }
  if (--run->n_probes == 0)
    finish (run);
  else
    set_timer (&run->limit, REPORT_LIMIT_MS * 1000 - (g_get_monotonic_time () - run->start_us), limit_cb, run);
}

/* --- STUN --- */

static void
end_stun (TnNetcheckRun *run)
{
  if (run->stun_is_over)
    return;

  run->stun_is_over = TRUE;
  clear_source (&run->enough);
  if (run->result->udp)
    finish (run);
  else
    begin_https (run);
}

static gboolean
end_stun_cb (gpointer user_data)
{
  end_stun (user_data);
  return G_SOURCE_REMOVE;
}

static void
end_set (Set *set)
{
  TnNetcheckRun *run = set->run;

  if (set->is_done)
    return;
  set->is_done = TRUE;
  clear_source (&set->timer);
  for (guint i = 0; i < run->sets->len; i++)
    if (!((Set *) g_ptr_array_index (run->sets, i))->is_done)
      return;

  /* Not from here: the caller may be in the middle of an answer, or of starting. */
  set_timer (&run->enough, 0, end_stun_cb, run);
}

/* Would another answer tell anything new? */
static gboolean
would_help (Set *set)
{
  const TnNetcheckResult *result = set->run->result;

  return tn_netcheck_result_lookup (result, set->plan.region) == NULL || (set->plan.ipv6 && !result->ipv6) ||
         (!set->plan.ipv6 && result->mapping_varies == TN_NETCHECK_UNKNOWN);
}

/* Enough regions answered: the slowest of them sets how long the others may take. Where there are fewer in all, the last counts. */
static void
check_enough (TnNetcheckRun *run)
{
  const GArray *regions = run->result->regions;
  gint64 slowest_ns = 0;
  guint n_asked = 0;
  guint last_region = 0;

  if (run->enough != NULL)
    return;
  for (guint i = 0; i < run->sets->len; i++)
    {
      Set *set = g_ptr_array_index (run->sets, i);

      n_asked += set->plan.region != last_region ? 1 : 0;
      last_region = set->plan.region;
    }
  if (regions->len < MIN (ENOUGH_REGIONS, n_asked))
    return;

  for (guint i = 0; i < regions->len; i++)
    slowest_ns = MAX (slowest_ns, g_array_index (regions, TnNetcheckRegion, i).latency_ns);
  set_timer (&run->enough, slowest_ns / 1000 * (run->is_full ? 2 : 1), end_stun_cb, run);
}

static void
note_address (TnNetcheckResult   *result,
              gboolean            ipv6,
              const TnIpEndpoint *seen_as)
{
  if (ipv6)
    {
      result->global_ipv6 = *seen_as;
      return;
    }
  if (result->global_ipv4.address.version == 0)
    result->global_ipv4 = *seen_as;
  else if (!tn_ip_address_equal (&result->global_ipv4.address, &seen_as->address) || result->global_ipv4.port != seen_as->port)
    result->mapping_varies = TN_NETCHECK_YES;
  else if (result->mapping_varies == TN_NETCHECK_UNKNOWN)
    result->mapping_varies = TN_NETCHECK_NO;
}

static void
answer_cb (gpointer            user_data,
           const TnStunTxid   *txid,
           const TnIpEndpoint *seen_as)
{
  TnNetcheckRun *run = user_data;
  Sent *sent = g_hash_table_lookup (run->sent, txid);
  TnNetcheckRegion *entry;
  gint64 latency_ns;
  gint64 *family_ns;
  Set *set;

  if (sent == NULL || run->stun_is_over)
    return;

  set = sent->set;
  latency_ns = MAX (1, (g_get_monotonic_time () - sent->sent_us) * 1000);
  g_hash_table_remove (run->sent, txid);

  run->result->udp = TRUE;
  *(set->plan.ipv6 ? &run->result->ipv6 : &run->result->ipv4) = TRUE;
  entry = tn_netcheck_result_ensure (run->result, set->plan.region);
  entry->latency_ns = MIN (entry->latency_ns, latency_ns);
  family_ns = set->plan.ipv6 ? &entry->ipv6_latency_ns : &entry->ipv4_latency_ns;
  *family_ns = *family_ns == 0 ? latency_ns : MIN (*family_ns, latency_ns);
  note_address (run->result, set->plan.ipv6, seen_as);

  check_enough (run);
  end_set (set);
}

static void
send_to (Set               *set,
         const TnRelayNode *node,
         GInetAddress      *address)
{
  TnNetcheckRun *run = set->run;
  guint16 port = node->stun_port != 0 ? (guint16) node->stun_port : TN_STUN_DEFAULT_PORT;
  TnStunSocket *socket = run->sockets[set->plan.ipv6 ? 1 : 0];
  Sent *sent = g_new (Sent, 1);
  g_autoptr (GError) error = NULL;

  tn_random (&sent->txid, sizeof sent->txid);
  sent->set = set;
  sent->sent_us = g_get_monotonic_time ();
  g_hash_table_insert (run->sent, &sent->txid, sent);

  /* Permission denied is a local firewall's answer: the family works. */
  if (tn_stun_socket_send (socket, address, port, &sent->txid, &error) ||
      g_error_matches (error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED))
    *(set->plan.ipv6 ? &run->result->ipv6_can_send : &run->result->ipv4_can_send) = TRUE;
  else
    {
      g_debug ("STUN to region %u: %s", set->plan.region, error->message);
      end_set (set);      /* no route by this family: trying again within seconds is no use */
    }
}

typedef struct
{
  TnNetcheckRun     *run;      /* a reference while it is under way */
  Set               *set;
  const TnRelayNode *node;
} Lookup;

static void start_lookups (TnNetcheckRun *run);

static void
use_addresses (Lookup *lookup,
               GList  *addresses)
{
  Set *set = lookup->set;

  if (set->is_done)
    return;
  set->n_lookups--;
  if (addresses != NULL)
    send_to (set, lookup->node, addresses->data);
  else if (set->next_try == set->plan.n_tries && set->n_lookups == 0)
    end_set (set);
}

static void
looked_up_cb (GObject      *object,
              GAsyncResult *result,
              gpointer      user_data)
{
  g_autofree Lookup *lookup = user_data;
  g_autoptr (GError) error = NULL;
  GList *addresses = g_resolver_lookup_by_name_with_flags_finish (G_RESOLVER (object), result, &error);

  if (!lookup->run->is_freed && !lookup->run->stun_is_over)
    {
      lookup->run->n_looking--;
      use_addresses (lookup, addresses);
      start_lookups (lookup->run);
    }
  g_resolver_free_addresses (addresses);
  run_unref (lookup->run);
}

static void
start_lookup (Lookup *lookup)
{
  g_autoptr (GResolver) resolver = g_resolver_get_default ();

  run_ref (lookup->run)->n_looking++;
  g_resolver_lookup_by_name_with_flags_async (resolver, lookup->node->host_name,
                                              lookup->set->plan.ipv6 ? G_RESOLVER_NAME_LOOKUP_FLAGS_IPV6_ONLY
                                                                     : G_RESOLVER_NAME_LOOKUP_FLAGS_IPV4_ONLY,
                                              lookup->run->cancellable, looked_up_cb, lookup);
}

static void
start_lookups (TnNetcheckRun *run)
{
  Lookup *lookup;

  while (run->n_looking < LOOKUPS_MAX && (lookup = g_queue_pop_head (&run->waiting)) != NULL)
    if (lookup->set->is_done)
      g_free (lookup);
    else
      start_lookup (lookup);
}

static GInetAddress *
literal_address (const TnRelayNode *node,
                 gboolean           ipv6)
{
  const char *texts[] = { node->stun_test_ip, ipv6 ? node->ipv6 : node->ipv4, node->host_name };
  TnIpAddress address;

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    if (texts[i] != NULL && tn_ip_address_parse (texts[i], &address))
      return tn_ip_address_to_inet (&address);
  return NULL;
}

static void
try_node (Set               *set,
          const TnRelayNode *node)
{
  g_autoptr (GInetAddress) address = literal_address (node, set->plan.ipv6);
  GSocketFamily family = set->plan.ipv6 ? G_SOCKET_FAMILY_IPV6 : G_SOCKET_FAMILY_IPV4;
  Lookup *lookup;

  if (address != NULL && g_inet_address_get_family (address) == family)
    send_to (set, node, address);
  else if (address != NULL || node->host_name == NULL)
    end_set (set);        /* its name is an address of the other family */
  else
    {
      lookup = g_new (Lookup, 1);
      *lookup = (Lookup) { set->run, set, node };
      set->n_lookups++;
      g_queue_push_tail (&set->run->waiting, lookup);
      start_lookups (set->run);
    }
}

static gboolean
try_cb (gpointer user_data)
{
  Set *set = user_data;
  gint64 due_us;

  if (!would_help (set))
    {
      end_set (set);
      return G_SOURCE_REMOVE;
    }

  try_node (set, set->plan.nodes[set->next_try++]);
  if (!set->is_done && set->next_try < set->plan.n_tries)
    {
      due_us = set->run->start_us + set->plan.delay_us[set->next_try];
      set_timer (&set->timer, due_us - g_get_monotonic_time (), try_cb, set);
    }
  return G_SOURCE_REMOVE;
}

/* --- Beginning --- */

static void
open_sockets (TnNetcheckRun *run)
{
  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (GError) error = NULL;

      run->sockets[i] = tn_stun_socket_new (i == 1, run->mark, answer_cb, run, &error);
      if (error != NULL)
        g_debug ("no STUN by IPv%u: %s", i == 1 ? 6u : 4u, error->message);
    }
  run->result->os_has_ipv6 = run->sockets[1] != NULL;
}

static void
begin_stun (TnNetcheckRun             *run,
            const TnNetcheckRunConfig *config)
{
  g_autoptr (GArray) plan = tn_probe_plan_new (run->map, config->last, config->home);

  for (guint i = 0; i < plan->len && !config->tcp_only; i++)
    {
      const TnProbeSet *planned = &g_array_index (plan, TnProbeSet, i);
      Set *set;

      if (run->sockets[planned->ipv6 ? 1 : 0] == NULL)
        continue;
      set = g_new0 (Set, 1);
      set->run = run;
      set->plan = *planned;
      g_ptr_array_add (run->sets, set);
      set_timer (&set->timer, set->plan.delay_us[0], try_cb, set);
    }
  if (run->sets->len == 0)
    set_timer (&run->enough, 0, end_stun_cb, run);
  set_timer (&run->limit, STUN_LIMIT_MS * 1000, end_stun_cb, run);
}

static guint
hash_txid (gconstpointer key)
{
  guint hash;

  memcpy (&hash, key, sizeof hash);
  return hash;
}

static gboolean
equal_txid (gconstpointer a,
            gconstpointer b)
{
  return memcmp (a, b, TN_STUN_TXID_LEN) == 0;
}

TnNetcheckRun *
tn_netcheck_run_new (const TnNetcheckRunConfig *config,
                     TnNetcheckRunFunc          done,
                     gpointer                   user_data)
{
  TnNetcheckRun *run = g_new0 (TnNetcheckRun, 1);

  run->ref_count = 1;
  run->map = tn_relay_map_ref (config->map);
  run->is_full = config->last == NULL;
  g_set_object (&run->tls_database, config->tls_database);
  g_set_object (&run->proxy_resolver, config->proxy_resolver);
  run->mark = config->mark;
  run->done = done;
  run->user_data = user_data;
  run->result = tn_netcheck_result_new ();
  run->result->wall_us = g_get_real_time ();
  run->start_us = g_get_monotonic_time ();
  run->cancellable = g_cancellable_new ();
  run->sets = g_ptr_array_new_with_free_func (set_free);
  run->sent = g_hash_table_new_full (hash_txid, equal_txid, NULL, g_free);
  open_sockets (run);
  begin_stun (run, config);
  return run;
}

void
tn_netcheck_run_free (TnNetcheckRun *run)
{
  run->is_freed = TRUE;
  stop_everything (run);
  run_unref (run);
}
