/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the netstack plugin answers to lwIP. */

#include "lwip/arch.h"
#include "lwip/ip_addr.h"

struct netif;
struct tcp_pcb;
struct tcp_sack_range;

/* True: the path of the connection is full. Its segments stay unsent, and its retransmission timer stands still. */
int           tn_lwip_tcp_held    (const struct tcp_pcb *pcb);

/* True: it is held, and has been for too long. */
int           tn_lwip_tcp_give_up (const struct tcp_pcb *pcb);

/* An acknowledgement, with what it says of segments that arrived out of order. */
void          tn_lwip_tcp_sack    (struct tcp_pcb *pcb, const struct tcp_sack_range *ranges, u8_t n_ranges);

/* Data came in order: acknowledge it now or later. */
void          tn_lwip_tcp_ack     (struct tcp_pcb *pcb);

/* The netif of packets that belong to no socket: the one to which they answer. */
struct netif *tn_lwip_reply_netif (void);

u32_t         tn_lwip_tcp_isn     (const ip_addr_t *local_ip, u16_t local_port, const ip_addr_t *remote_ip, u16_t remote_port);
