/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-lwip-netif-private.h"

#include <sodium.h>

#include "lwip/ip.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/udp.h"
#include "lwip-hooks.h"

ip_addr_t
tn_lwip_address_to_lwip (const TnIpAddress *address)
{
  ip_addr_t out = *IP_ANY_TYPE;

  if (address->version == 4)
    {
      IP_SET_TYPE_VAL (out, IPADDR_TYPE_V4);
      memcpy (&ip_2_ip4 (&out)->addr, address->bytes, 4);
    }
  else if (address->version == 6)
    {
      IP_SET_TYPE_VAL (out, IPADDR_TYPE_V6);
      memcpy (ip_2_ip6 (&out)->addr, address->bytes, 16);
    }
  return out;
}

TnIpAddress
tn_lwip_address_from_lwip (const ip_addr_t *address)
{
  if (IP_IS_V4_VAL (*address))
    return tn_ip_address_from_bytes ((const guint8 *) &ip_2_ip4 (address)->addr, 4);
  if (IP_IS_V6_VAL (*address) && !IP_IS_ANY_TYPE_VAL (*address))
    return tn_ip_address_from_bytes ((const guint8 *) ip_2_ip6 (address)->addr, 16);
  return (TnIpAddress) { .version = 0 };
}

/* --- What lwIP asks --- */

struct netif *
tn_lwip_reply_netif (void)
{
  return ip_current_input_netif ();
}

u32_t
tn_lwip_tcp_isn (const ip_addr_t *local_ip,
                 u16_t            local_port,
                 const ip_addr_t *remote_ip,
                 u16_t            remote_port)
{
  return randombytes_random ();
}

/* --- Life --- */

TnLwipNetif *
tn_lwip_netif_ref (TnLwipNetif *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
tn_lwip_netif_unref (TnLwipNetif *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  g_hash_table_unref (self->blocked);
  g_mutex_clear (&self->lock);
  g_free (self);
}

typedef struct
{
  TnLwipJob    job;
  TnLwipNetif *self;     /* a reference */
  TnIpPrefix  *addresses;
  guint        n_addresses;
} TnLwipNetifJob;

static void
post (TnLwipNetif *self,
      void       (*run) (TnLwipJob *job),
      const TnIpPrefix *addresses,
      guint        n_addresses)
{
  TnLwipNetifJob *job = g_new0 (TnLwipNetifJob, 1);

  job->job.run = run;
  job->self = tn_lwip_netif_ref (self);
  job->addresses = n_addresses > 0 ? g_memdup2 (addresses, n_addresses * sizeof *addresses) : NULL;
  job->n_addresses = n_addresses;
  tn_lwip_core_post (&job->job);
}

static void
job_free (TnLwipNetifJob *job)
{
  tn_lwip_netif_unref (job->self);
  g_free (job->addresses);
  g_free (job);
}

static err_t
netif_init_cb (struct netif *netif)
{
  TnLwipNetif *self = netif->state;

  netif->name[0] = 't';
  netif->name[1] = 's';
  netif->mtu = (u16_t) self->mtu;
  tn_lwip_output_attach (self);
  return ERR_OK;
}

static void
add_run (TnLwipJob *job)
{
  TnLwipNetif *self = ((TnLwipNetifJob *) job)->self;

  self->added = netif_add_noaddr (&self->netif, self, netif_init_cb, ip_input) != NULL;
  if (self->added)
    {
      netif_set_link_up (&self->netif);
      netif_set_up (&self->netif);
    }
  job_free ((TnLwipNetifJob *) job);
}

TnLwipNetif *
tn_lwip_netif_start (TnOverlayTransport       *overlay,
                     const TnOverlayConfig    *config,
                     const TnOverlayCallbacks *callbacks,
                     gpointer                  user_data)
{
  TnLwipNetif *self = g_new0 (TnLwipNetif, 1);

  g_atomic_ref_count_init (&self->ref_count);
  g_mutex_init (&self->lock);
  self->mtu = CLAMP (config->mtu, 1280, 65535);
  self->overlay = overlay;
  self->callbacks = *callbacks;
  self->user_data = user_data;
  self->blocked = g_hash_table_new_full (tn_ip_address_hash, (GEqualFunc) tn_ip_address_equal, g_free, NULL);
  tn_lwip_output_init (self, config->context);
  tn_lwip_core_hold ();
  post (self, add_run, NULL, 0);
  return self;
}

static gboolean
abort_first (TnLwipNetif    *self,
             struct tcp_pcb *list)
{
  for (struct tcp_pcb *pcb = list; pcb != NULL; pcb = pcb->next)
    if (pcb->netif_idx == netif_get_index (&self->netif))
      {
        tcp_abort (pcb);
        return TRUE;
      }
  return FALSE;
}

static void
clear_addresses (TnLwipNetif *self)
{
  /* Directly: lwIP's functions abort the connections of every netif that has the same address. */
  ip_addr_set_zero_ip4 (&self->netif.ip_addr);
  ip_addr_set_zero_ip4 (&self->netif.netmask);
  for (int i = 0; i < LWIP_IPV6_NUM_ADDRESSES; i++)
    {
      ip_addr_set_zero_ip6 (&self->netif.ip6_addr[i]);
      self->netif.ip6_addr_state[i] = IP6_ADDR_INVALID;
    }
}

static void
remove_run (TnLwipJob *job)
{
  TnLwipNetif *self = ((TnLwipNetifJob *) job)->self;
  GList *link;

  while ((link = g_queue_pop_head_link (&self->users)) != NULL)
    {
      TnLwipNetifUser *user = link->data;

      link->data = NULL;
      user->stopped (user);
    }
  if (self->added)
    {
      while (abort_first (self, tcp_active_pcbs) || abort_first (self, tcp_tw_pcbs))
        ;
      self->added = FALSE;
      if (self->netif.loop_first != NULL)
        pbuf_free (self->netif.loop_first);     /* packets to itself, all of them */
      self->netif.loop_first = self->netif.loop_last = NULL;
      clear_addresses (self);
      netif_remove (&self->netif);
    }
  tn_lwip_output_clear (self);
  job_free ((TnLwipNetifJob *) job);
  tn_lwip_core_release ();
}

void
tn_lwip_netif_stop (TnLwipNetif *self)
{
  tn_lwip_core_will_release ();
  tn_lwip_output_stop (self);
  post (self, remove_run, NULL, 0);
  tn_lwip_netif_unref (self);
}

/* Under the lock, which stopping takes, too: what gets in gets in before the job that ends all. */
gboolean
tn_lwip_netif_post (TnLwipNetif *self,
                    TnLwipJob   *job)
{
  gboolean stopped;

  g_mutex_lock (&self->lock);
  stopped = self->stopped;
  if (!stopped)
    tn_lwip_output_post_locked (self, job);
  g_mutex_unlock (&self->lock);
  return !stopped;
}

typedef struct
{
  TnLwipJob job;
  void    (*func) (gpointer data);
  gpointer  data;
  GMutex    lock;
  GCond     cond;
  gboolean  done;
} TnLwipCall;

static void
call_run (TnLwipJob *job)
{
  TnLwipCall *call = (TnLwipCall *) job;

  call->func (call->data);
  g_mutex_lock (&call->lock);
  call->done = TRUE;
  g_cond_signal (&call->cond);
  g_mutex_unlock (&call->lock);
}

/* Waits for a turn: on the data thread, which has one itself unless another has it just now. */
static gboolean
call_and_wait (TnLwipNetif *self,
               void       (*func) (gpointer data),
               gpointer     data)
{
  TnLwipCall call = { .job.run = call_run, .func = func, .data = data };

  g_mutex_init (&call.lock);
  g_cond_init (&call.cond);
  if (tn_lwip_netif_post (self, &call.job))
    {
      if (tn_lwip_output_is_own_thread (self))
        tn_lwip_core_help ();
      g_mutex_lock (&call.lock);
      while (!call.done)
        g_cond_wait (&call.cond, &call.lock);
      g_mutex_unlock (&call.lock);
    }
  g_cond_clear (&call.cond);
  g_mutex_clear (&call.lock);
  return call.done;
}

typedef struct
{
  TnLwipJob job;
  GTask    *task;
  void    (*func) (GTask *task);
} TnLwipTaskJob;

static void
task_run (TnLwipJob *job)
{
  TnLwipTaskJob *call = (TnLwipTaskJob *) job;

  if (!g_task_return_error_if_cancelled (call->task))
    call->func (call->task);
  g_object_unref (call->task);
  g_free (call);
}

void
tn_lwip_netif_run_task (TnLwipNetif *self,
                        GTask       *task,
                        void       (*func) (GTask *task))
{
  TnLwipTaskJob *call = g_new0 (TnLwipTaskJob, 1);

  call->job.run = task_run;
  call->task = task;
  call->func = func;
  if (tn_lwip_netif_post (self, &call->job))
    return;
  g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CLOSED, "the network stack is stopped");
  g_object_unref (task);
  g_free (call);
}

guint64
tn_lwip_netif_get_dropped (TnLwipNetif *self)
{
  return g_atomic_int_get (&self->dropped);
}

struct netif *
tn_lwip_netif_get (TnLwipNetif *self)
{
  return self->added ? &self->netif : NULL;
}

gboolean
tn_lwip_netif_add_user (TnLwipNetif     *self,
                        TnLwipNetifUser *user)
{
  if (!self->added)
    return FALSE;
  user->link.data = user;
  g_queue_push_tail_link (&self->users, &user->link);
  return TRUE;
}

void
tn_lwip_netif_remove_user (TnLwipNetif     *self,
                           TnLwipNetifUser *user)
{
  if (user->link.data == NULL)
    return;
  g_queue_unlink (&self->users, &user->link);
  user->link.data = NULL;
}

/* --- Addresses --- */

gboolean
tn_lwip_netif_has_address (TnLwipNetif       *self,
                           const TnIpAddress *address)
{
  if (address->version == 4)
    return !ip4_addr_isany_val (*netif_ip4_addr (&self->netif)) &&
           memcmp (netif_ip4_addr (&self->netif), address->bytes, 4) == 0;
  for (int i = 0; i < LWIP_IPV6_NUM_ADDRESSES; i++)
    if (ip6_addr_isvalid (netif_ip6_addr_state (&self->netif, i)) &&
        memcmp (netif_ip6_addr (&self->netif, i)->addr, address->bytes, 16) == 0)
      return TRUE;
  return FALSE;
}

static gboolean
abort_homeless (TnLwipNetif    *self,
                struct tcp_pcb *list)
{
  for (struct tcp_pcb *pcb = list; pcb != NULL; pcb = pcb->next)
    {
      TnIpAddress local = tn_lwip_address_from_lwip (&pcb->local_ip);

      if (pcb->netif_idx != netif_get_index (&self->netif) || tn_lwip_netif_has_address (self, &local))
        continue;
      tcp_abort (pcb);
      return TRUE;
    }
  return FALSE;
}

static void
configure_run (TnLwipJob *job)
{
  TnLwipNetifJob *configure = (TnLwipNetifJob *) job;
  TnLwipNetif *self = configure->self;
  int n_ip6 = 0;

  clear_addresses (self);
  for (guint i = 0; i < configure->n_addresses; i++)
    {
      ip_addr_t address = tn_lwip_address_to_lwip (&configure->addresses[i].address);

      if (IP_IS_V4_VAL (address))
        {
          ip_addr_copy (self->netif.ip_addr, address);
          IP_ADDR4 (&self->netif.netmask, 255, 255, 255, 255);
          continue;
        }
      ip_addr_copy (self->netif.ip6_addr[n_ip6], address);
      self->netif.ip6_addr_state[n_ip6++] = IP6_ADDR_PREFERRED;     /* nobody else in the tailnet has it */
    }
  while (self->added && (abort_homeless (self, tcp_active_pcbs) || abort_homeless (self, tcp_tw_pcbs)))
    ;
  job_free (configure);
}

void
tn_lwip_netif_configure (TnLwipNetif      *self,
                         const TnIpPrefix *addresses,
                         guint             n_addresses)
{
  TnIpPrefix taken[1 + LWIP_IPV6_NUM_ADDRESSES];
  guint n_ip4 = 0, n_ip6 = 0;

  for (guint i = 0; i < n_addresses; i++)
    {
      gboolean is_ip4 = addresses[i].address.version == 4;

      if (is_ip4 ? n_ip4 == 1 : n_ip6 == LWIP_IPV6_NUM_ADDRESSES)
        continue;
      taken[n_ip4 + n_ip6] = addresses[i];
      *(is_ip4 ? &n_ip4 : &n_ip6) += 1;
    }
  if (n_ip4 + n_ip6 < n_addresses)
    g_message ("network stack: %u addresses are too many, only the first of IPv4 and the first %d of IPv6 are used", n_addresses,
               LWIP_IPV6_NUM_ADDRESSES);
  post (self, configure_run, taken, n_ip4 + n_ip6);
}

/* --- Back-pressure --- */

void
tn_lwip_netif_set_blocked (TnLwipNetif       *self,
                           const TnIpAddress *destination,
                           gboolean           blocked)
{
  gboolean changed;

  g_mutex_lock (&self->lock);
  if (blocked)
    changed = g_hash_table_add (self->blocked, g_memdup2 (destination, sizeof *destination));
  else
    changed = g_hash_table_remove (self->blocked, destination);
  g_atomic_int_set (&self->n_blocked, g_hash_table_size (self->blocked));
  g_mutex_unlock (&self->lock);
  if (changed && !blocked)
    tn_lwip_output_resume (self);
}

gboolean
tn_lwip_netif_is_blocked (TnLwipNetif       *self,
                          const TnIpAddress *destination)
{
  gboolean blocked;

  if (g_atomic_int_get (&self->n_blocked) == 0)
    return FALSE;
  g_mutex_lock (&self->lock);
  blocked = g_hash_table_contains (self->blocked, destination);
  g_mutex_unlock (&self->lock);
  return blocked;
}

typedef struct
{
  TnLwipNetif *self;
  gboolean     lingering;
} Lingering;

static void
look_for_lingering (gpointer data)
{
  Lingering *call = data;

  for (GList *link = call->self->users.head; link != NULL && !call->lingering; link = link->next)
    {
      TnLwipNetifUser *user = link->data;

      call->lingering = user->lingers != NULL && user->lingers (user);
    }
}

gboolean
tn_lwip_netif_is_lingering (TnLwipNetif *self)
{
  Lingering call = { .self = self };

  return call_and_wait (self, look_for_lingering, &call) && call.lingering;
}
