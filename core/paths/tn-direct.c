/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-direct.h"

#include <string.h>

#include "tn-path-better.h"

#define NEVER_US             (G_MININT64 / 2)
#define HEARTBEAT_US         (3 * G_USEC_PER_SEC)       /* heartbeatInterval */
#define RETRY_US             (1 * G_USEC_PER_SEC)       /* of the proven one: a single loss is no end of a path */
#define PING_INTERVAL_US     (5 * G_USEC_PER_SEC)       /* discoPingInterval */
#define UPGRADE_INTERVAL_US  (60 * G_USEC_PER_SEC)      /* upgradeUDPDirectInterval */
#define GOOD_LATENCY_US      5000                       /* goodEnoughLatency */
#define PING_TIMEOUT_US      (5 * G_USEC_PER_SEC)       /* pingTimeoutDuration */
#define N_PINGS              4                          /* under way to one address */
#define PONG_BURST           60
#define PONG_INTERVAL_US     (G_USEC_PER_SEC / 20)
#define CANDIDATES_MAX       (TN_DIRECT_LISTED_MAX + TN_DIRECT_SEEN_MAX)

typedef struct
{
  TnDiscoTxid txid;
  gint64      sent_us;      /* NEVER_US: none */
} Ping;

typedef struct
{
  TnPathAddress address;
  gboolean      listed;
  gboolean      answered;          /* the last ping */
  gint64        seen_us;           /* NEVER_US: not */
  gint64        pinged_us;
  gint64        latency_us;        /* -1: never answered */
  Ping          pings[N_PINGS];    /* the last ones, in turn */
  guint         n_pings;
} Candidate;

struct _TnDirect
{
  gint64    sent_us;               /* the last packet */
  gint64    heard_us;              /* the last packet of the proven address */
  gint64    trusted_until_us;      /* NEVER_US: nothing is proven */
  guint     best;                  /* if something is */
  guint     n_candidates;
  gint64    upgrade_us;            /* when the others are pinged, too */
  gint64    pong_tokens_from_us;   /* the bucket of answers is empty at this time */
  Candidate candidates[CANDIDATES_MAX];
};

TnDirect *
tn_direct_new (void)
{
  TnDirect *direct = g_new0 (TnDirect, 1);

  direct->sent_us = direct->heard_us = direct->trusted_until_us = direct->upgrade_us = direct->pong_tokens_from_us = NEVER_US;
  return direct;
}

void
tn_direct_free (TnDirect *direct)
{
  g_free (direct);
}

/* --- Addresses --- */

static gboolean
is_usable4 (const guint8 *b)
{
  static const guint8 relay[4] = { 127, 3, 3, 40 };      /* what stands for a relay in disco messages */

  if (b[0] == 0 || b[0] >= 224 || memcmp (b, relay, sizeof relay) == 0)
    return FALSE;
  return b[0] != 100 || (b[1] & 0xc0) != 64;      /* of a tailnet: a path in itself */
}

static gboolean
is_usable6 (const guint8 *b)
{
  static const guint8 tailnet[6] = { 0xfd, 0x7a, 0x11, 0x5c, 0xa1, 0xe0 };
  static const guint8 zeros[10];

  if (b[0] == 0xff || (b[0] == 0xfe && (b[1] & 0xc0) == 0x80) || memcmp (b, tailnet, sizeof tailnet) == 0)
    return FALSE;
  /* ::, and IPv4 in disguise; ::1 is one. */
  return memcmp (b, zeros, sizeof zeros) != 0 || (b[10] == 0 && memcmp (b + 10, zeros, 5) == 0 && b[15] == 1);
}

gboolean
tn_direct_is_usable (const TnIpEndpoint *endpoint)
{
  const TnIpAddress *address = &endpoint->address;

  if (endpoint->port == 0)
    return FALSE;
  return address->version == 4 ? is_usable4 (address->bytes) : address->version == 6 && is_usable6 (address->bytes);
}

static gboolean
has_best (const TnDirect *direct)
{
  return direct->trusted_until_us != NEVER_US;
}

static Candidate *
find (TnDirect            *direct,
      const TnPathAddress *address)
{
  for (guint i = 0; i < direct->n_candidates; i++)
    if (tn_path_address_equal (&direct->candidates[i].address, address))
      return &direct->candidates[i];
  return NULL;
}

static Candidate *
append (TnDirect            *direct,
        const TnPathAddress *address)
{
  Candidate *candidate = &direct->candidates[direct->n_candidates++];

  *candidate = (Candidate) { .address = *address, .seen_us = NEVER_US, .pinged_us = NEVER_US, .latency_us = -1 };
  for (guint i = 0; i < N_PINGS; i++)
    candidate->pings[i].sent_us = NEVER_US;
  return candidate;
}

static void
remove_at (TnDirect *direct,
           guint     index)
{
  guint last = --direct->n_candidates;

  if (has_best (direct) && direct->best == index)
    direct->trusted_until_us = NEVER_US;
  direct->candidates[index] = direct->candidates[last];
  if (direct->best == last)
    direct->best = index;
}

static gboolean
contains (const TnIpEndpoint *endpoints,
          guint               n_endpoints,
          const TnIpEndpoint *wanted)
{
  for (guint i = 0; i < n_endpoints; i++)
    if (endpoints[i].port == wanted->port && tn_ip_address_equal (&endpoints[i].address, &wanted->address))
      return TRUE;
  return FALSE;
}

/* Until there are at most @n that only were seen: who was not for longest goes first, but for the proven one. */
static void
trim_seen (TnDirect *direct,
           guint     n)
{
  for (;;)
    {
      guint n_seen = 0, oldest = G_MAXUINT;

      for (guint i = 0; i < direct->n_candidates; i++)
        {
          if (direct->candidates[i].listed)
            continue;
          n_seen++;
          if ((!has_best (direct) || direct->best != i) &&
              (oldest == G_MAXUINT || direct->candidates[i].seen_us < direct->candidates[oldest].seen_us))
            oldest = i;
        }
      if (n_seen <= n || oldest == G_MAXUINT)
        return;
      remove_at (direct, oldest);
    }
}

void
tn_direct_set_endpoints (TnDirect           *direct,
                         const TnIpEndpoint *endpoints,
                         guint               n_endpoints)
{
  guint n_listed = 0;

  for (guint i = direct->n_candidates; i-- > 0;)
    {
      Candidate *candidate = &direct->candidates[i];

      candidate->listed = candidate->address.udp.scope == 0 && contains (endpoints, n_endpoints, &candidate->address.udp.endpoint);
      if (!candidate->listed && candidate->seen_us == NEVER_US)
        remove_at (direct, i);
      else
        n_listed += candidate->listed ? 1 : 0;
    }
  trim_seen (direct, TN_DIRECT_SEEN_MAX);
  for (guint i = 0; i < n_endpoints && n_listed < TN_DIRECT_LISTED_MAX; i++)
    {
      TnPathAddress address = { .kind = TN_PATH_ADDRESS_UDP, .udp = { endpoints[i], 0, TN_PATH_NO_VNI } };

      if (!tn_direct_is_usable (&endpoints[i]) || find (direct, &address) != NULL || direct->n_candidates == CANDIDATES_MAX)
        continue;
      append (direct, &address)->listed = TRUE;
      n_listed++;
    }
}

/* Each ping is worth an answer, but it can be replayed under a false address. */
static gboolean
may_pong (TnDirect *direct,
          gint64    now_us)
{
  direct->pong_tokens_from_us = MAX (direct->pong_tokens_from_us, now_us - PONG_BURST * PONG_INTERVAL_US);
  if (direct->pong_tokens_from_us + PONG_INTERVAL_US > now_us)
    return FALSE;
  direct->pong_tokens_from_us += PONG_INTERVAL_US;
  return TRUE;
}

gboolean
tn_direct_add_seen (TnDirect            *direct,
                    const TnPathAddress *from,
                    gint64               now_us)
{
  Candidate *candidate = find (direct, from);

  if (!may_pong (direct, now_us))
    return FALSE;
  if (candidate == NULL && tn_direct_is_usable (&from->udp.endpoint))
    {
      trim_seen (direct, TN_DIRECT_SEEN_MAX - 1);
      candidate = append (direct, from);
    }
  if (candidate != NULL)
    candidate->seen_us = now_us;
  return TRUE;
}

void
tn_direct_reset (TnDirect *direct)
{
  direct->trusted_until_us = NEVER_US;
  for (guint i = 0; i < direct->n_candidates; i++)
    direct->candidates[i].pinged_us = NEVER_US;
}

/* --- Traffic --- */

static gboolean
is_active (const TnDirect *direct,
           gint64          now_us)
{
  return now_us - direct->sent_us < TN_DIRECT_ACTIVE_US;
}

gboolean
tn_direct_sent (TnDirect *direct,
                gint64    now_us)
{
  gboolean was_idle = !is_active (direct, now_us);

  direct->sent_us = now_us;
  return was_idle;
}

void
tn_direct_heard (TnDirect            *direct,
                 const TnPathAddress *from,
                 gint64               now_us)
{
  if (direct->heard_us == now_us || !has_best (direct) || direct->trusted_until_us < now_us ||
      !tn_path_address_equal (&direct->candidates[direct->best].address, from))
    return;
  direct->heard_us = now_us;
  direct->trusted_until_us = now_us + TN_DIRECT_TRUST_US;
}

/* --- Pings --- */

static void
lapse (TnDirect *direct,
       gint64    now_us)
{
  if (has_best (direct) && direct->trusted_until_us < now_us)
    direct->trusted_until_us = NEVER_US;
}

/* When that address is to be pinged next, as long as packets are sent. */
static gint64
due_us (const TnDirect *direct,
        guint           index)
{
  const Candidate *candidate = &direct->candidates[index];

  if (!has_best (direct))
    return candidate->pinged_us + PING_INTERVAL_US;
  if (index == direct->best)
    return candidate->pinged_us + (candidate->answered ? HEARTBEAT_US : RETRY_US);
  if (direct->candidates[direct->best].latency_us <= GOOD_LATENCY_US)
    return G_MAXINT64;
  return MAX (candidate->pinged_us + PING_INTERVAL_US, direct->upgrade_us);
}

gboolean
tn_direct_next_ping (TnDirect          *direct,
                     const TnDiscoTxid *txid,
                     gint64             now_us,
                     TnPathAddress     *to)
{
  lapse (direct, now_us);
  if (!is_active (direct, now_us))
    return FALSE;
  for (guint i = 0; i < direct->n_candidates; i++)
    {
      Candidate *candidate = &direct->candidates[i];

      if (due_us (direct, i) > now_us)
        continue;
      candidate->pings[candidate->n_pings++ % N_PINGS] = (Ping) { *txid, now_us };
      candidate->pinged_us = now_us;
      candidate->answered = FALSE;
      *to = candidate->address;
      return TRUE;
    }
  if (has_best (direct) && direct->upgrade_us <= now_us)
    direct->upgrade_us = now_us + UPGRADE_INTERVAL_US;
  return FALSE;
}

static TnPathQuality
quality_of (const Candidate *candidate)
{
  return (TnPathQuality) { .address = candidate->address, .latency_ns = candidate->latency_us * 1000 };
}

static void
prove (TnDirect *direct,
       guint     index,
       gint64    now_us)
{
  TnPathQuality this = quality_of (&direct->candidates[index]);
  TnPathQuality best = quality_of (&direct->candidates[direct->best]);

  if (!has_best (direct))
    direct->upgrade_us = now_us + UPGRADE_INTERVAL_US;
  if (!has_best (direct) || (direct->best != index && tn_path_better (&this, &best)))
    direct->best = index;
  else if (direct->best != index)
    return;
  direct->trusted_until_us = now_us + TN_DIRECT_TRUST_US;
}

gboolean
tn_direct_pong (TnDirect          *direct,
                const TnDiscoTxid *txid,
                gint64             now_us)
{
  lapse (direct, now_us);
  for (guint i = 0; i < direct->n_candidates; i++)
    for (guint j = 0; j < N_PINGS; j++)
      {
        Candidate *candidate = &direct->candidates[i];
        Ping *ping = &candidate->pings[j];

        if (now_us - ping->sent_us > PING_TIMEOUT_US || memcmp (&ping->txid, txid, sizeof *txid) != 0)
          continue;
        candidate->latency_us = now_us - ping->sent_us;
        candidate->answered = TRUE;
        ping->sent_us = NEVER_US;
        prove (direct, i, now_us);
        return TRUE;
      }
  return FALSE;
}

const TnPathAddress *
tn_direct_get_path (TnDirect *direct,
                    gint64    now_us)
{
  lapse (direct, now_us);
  return has_best (direct) ? &direct->candidates[direct->best].address : NULL;
}

gint64
tn_direct_get_latency_us (const TnDirect *direct)
{
  return has_best (direct) ? direct->candidates[direct->best].latency_us : -1;
}

gint64
tn_direct_deadline (TnDirect *direct,
                    gint64    now_us)
{
  gint64 next_us = has_best (direct) ? direct->trusted_until_us + 1 : G_MAXINT64;

  for (guint i = 0; i < direct->n_candidates && is_active (direct, now_us); i++)
    next_us = MIN (next_us, due_us (direct, i));
  return next_us;
}
