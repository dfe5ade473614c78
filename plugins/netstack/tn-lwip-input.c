/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-lwip-netif-private.h"

#include "lwip/inet_chksum.h"
#include "lwip/ip.h"
#include "lwip/pbuf.h"
#include "lwip/prot/icmp6.h"

/* Packets go over in one allocation for up to so many, and bytes: one of them that lwIP keeps (it came out of order) keeps the others' bytes.
 * With TCP_OOSEQ_MAX_PBUFS this bounds what one connection may hold: 10 MiB, five times its window. */
#define SLAB_PACKETS 32
#define SLAB_BYTES 10240

typedef struct _TnLwipInSlab TnLwipInSlab;

typedef struct
{
  struct pbuf_custom custom;     /* first: lwIP gives a pbuf back */
  TnLwipInSlab      *slab;
  guint8            *data;
  guint16            len;
  guint8             checksum;
} TnLwipInPacket;

struct _TnLwipInSlab
{
  TnLwipJob      job;
  gatomicrefcount ref_count;
  TnLwipNetif   *netif;          /* a reference */
  guint          n_packets;
  TnLwipInPacket packets[];
};

static void
slab_unref (TnLwipInSlab *slab)
{
  if (!g_atomic_ref_count_dec (&slab->ref_count))
    return;
  tn_lwip_netif_unref (slab->netif);
  g_free (slab);
}

static void
packet_free_cb (struct pbuf *p)
{
  slab_unref (((TnLwipInPacket *) p)->slab);
}

/* Neighbours, routers and their advice: nobody on a tailnet has any of it to say. */
static gboolean
is_neighbour_discovery (guint8 type)
{
  return type >= ICMP6_TYPE_RS && type <= ICMP6_TYPE_RD;
}

/* What a stack has use for, perhaps in fragments. lwIP reads the other extension headers' options past the end of the packet, and
 * nobody on a tailnet sends any. */
static gboolean
is_known_header (guint8 type)
{
  return type == IP6_NEXTH_TCP || type == IP6_NEXTH_UDP || type == IP6_NEXTH_ICMP6;
}

static gboolean
accept_headers (const guint8 *data,
                gsize         len)
{
  if (data[6] == IP6_NEXTH_FRAGMENT)
    return len >= 48 && is_known_header (data[40]);
  return is_known_header (data[6]);
}

/* What lwIP must not see: it takes packets for the address of any netif, whichever they came by. */
static gboolean
accept_packet (TnLwipNetif  *self,
               const guint8 *data,
               gsize         len)
{
  TnIpAddress to;

  if (len >= 20 && data[0] >> 4 == 4)
    {
      to = tn_ip_address_from_bytes (data + 16, 4);
      if ((data[6] & 0x3f) != 0 || data[7] != 0)     /* more fragments, or an offset */
        tn_lwip_core_fragment_seen ();
      if (!tn_lwip_netif_has_address (self, &to))
        return FALSE;
      if (data[9] == IP_PROTO_ICMP)
        tn_lwip_unreachable_input (self, data, len);
      return TRUE;
    }
  if (len >= 40 && data[0] >> 4 == 6)
    {
      to = tn_ip_address_from_bytes (data + 24, 16);
      if (!tn_lwip_netif_has_address (self, &to) || !accept_headers (data, len))
        return FALSE;
      if (data[6] == IP6_NEXTH_FRAGMENT)
        tn_lwip_core_fragment_seen ();
      if (data[6] == IP6_NEXTH_ICMP6 && len > 40 && is_neighbour_discovery (data[40]))
        return FALSE;
      if (data[6] == IP6_NEXTH_ICMP6)
        tn_lwip_unreachable_input (self, data, len);
      return TRUE;
    }
  return FALSE;
}

static void
input (TnLwipNetif    *self,
       TnLwipInPacket *packet)
{
  struct pbuf *p;

  if (!self->added || !accept_packet (self, packet->data, packet->len))
    {
      g_atomic_int_inc (&self->dropped);
      return;
    }
  packet->custom.custom_free_function = packet_free_cb;
  g_atomic_ref_count_inc (&packet->slab->ref_count);
  p = pbuf_alloced_custom (PBUF_RAW, packet->len, PBUF_REF, &packet->custom, packet->data, packet->len);
  if (packet->checksum != TN_CHECKSUM_COMPLETE)
    NETIF_SET_CHECKSUM_CTRL (&self->netif, NETIF_CHECKSUM_ENABLE_ALL & ~(NETIF_CHECKSUM_CHECK_TCP | NETIF_CHECKSUM_CHECK_UDP));
  if (ip_input (p, &self->netif) != ERR_OK)
    pbuf_free (p);
  if (packet->checksum != TN_CHECKSUM_COMPLETE)
    NETIF_SET_CHECKSUM_CTRL (&self->netif, NETIF_CHECKSUM_ENABLE_ALL);
}

static void
slab_run (TnLwipJob *job)
{
  TnLwipInSlab *slab = (TnLwipInSlab *) job;
  TnLwipNetif *self = slab->netif;

  g_atomic_int_add (&self->n_in, - (int) slab->n_packets);
  for (guint i = 0; i < slab->n_packets; i++)
    input (self, &slab->packets[i]);
  slab_unref (slab);
}

static gsize
aligned (gsize len)
{
  return (len + 7) & ~(gsize) 7;
}

static void
post_slab (TnLwipNetif    *self,
           const TnPacket *packets,
           guint           n_packets)
{
  gsize head = sizeof (TnLwipInSlab) + n_packets * sizeof (TnLwipInPacket);
  gsize len = head;
  TnLwipInSlab *slab;
  guint8 *data;

  for (guint i = 0; i < n_packets; i++)
    len += aligned (packets[i].len);
  slab = g_malloc (len);
  slab->job.run = slab_run;
  g_atomic_ref_count_init (&slab->ref_count);
  slab->netif = tn_lwip_netif_ref (self);
  slab->n_packets = n_packets;
  data = (guint8 *) slab + head;
  for (guint i = 0; i < n_packets; i++)
    {
      slab->packets[i].slab = slab;
      slab->packets[i].data = data;
      slab->packets[i].len = (guint16) packets[i].len;
      slab->packets[i].checksum = packets[i].checksum;
      memcpy (data, packets[i].data, packets[i].len);
      data += aligned (packets[i].len);
    }
  tn_lwip_core_leave (&slab->job);
}

void
tn_lwip_netif_write (TnLwipNetif   *self,
                     TnPacketBatch *batch)
{
  guint first = 0;
  gsize len = 0;       /* of those from first on */

  for (guint i = 0; i <= batch->n_packets; i++)
    {
      gboolean fits = i < batch->n_packets && batch->packets[i].len > 0 && batch->packets[i].len <= G_MAXUINT16;
      gsize own_len = fits ? sizeof (TnLwipInPacket) + aligned (batch->packets[i].len) : 0;

      if (fits && i - first < SLAB_PACKETS && (i == first || len + own_len <= SLAB_BYTES))
        {
          len += own_len;
          continue;
        }
      if (i > first && (guint) g_atomic_int_add (&self->n_in, (int) (i - first)) < TN_LWIP_IN_PACKETS)
        post_slab (self, batch->packets + first, i - first);
      else if (i > first)
        {
          g_atomic_int_add (&self->n_in, - (int) (i - first));
          g_atomic_int_add (&self->dropped, (int) (i - first));
        }
      if (i < batch->n_packets && !fits)
        g_atomic_int_inc (&self->dropped);
      first = fits ? i : i + 1;
      len = own_len;
    }
  tn_lwip_core_help ();
}
