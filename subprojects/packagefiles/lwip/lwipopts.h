/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One thread calls everything, and drives the timers itself. */
#define NO_SYS                            1
#define SYS_LIGHTWEIGHT_PROT              0
#define LWIP_TIMERS                       0
#define LWIP_NETCONN                      0
#define LWIP_SOCKET                       0
#define LWIP_STATS                        0
#define LWIP_SINGLE_NETIF                 0

/* What is not used takes no memory. */
#define MEM_LIBC_MALLOC                   1
#define MEMP_MEM_MALLOC                   1
#define MEM_ALIGNMENT                     8

/* Layer 3 only: nobody resolves or announces anything. */
#define LWIP_ARP                          0
#define LWIP_ETHERNET                     0
#define LWIP_DHCP                         0
#define LWIP_DNS                          0
#define LWIP_IGMP                         0
#define LWIP_IPV4                         1
#define LWIP_IPV6                         1
#define LWIP_IPV6_MLD                     0
#define LWIP_IPV6_AUTOCONFIG              0
#define LWIP_IPV6_SEND_ROUTER_SOLICIT     0
#define LWIP_IPV6_DUP_DETECT_ATTEMPTS     0
#define LWIP_IPV6_NUM_ADDRESSES           4
#define LWIP_IPV6_SCOPES                  0
#define LWIP_ND6_QUEUEING                 0
#define LWIP_ND6_TCP_REACHABILITY_HINTS   0
#define LWIP_ND6_ALLOW_RA_UPDATES         0
#define IP_FORWARD                        0
#define LWIP_CHECKSUM_CTRL_PER_NETIF      1
#define LWIP_NETIF_LOOPBACK               1
#define LWIP_HAVE_LOOPIF                  0

#define PBUF_LINK_HLEN                    0

/* Datagrams above the MTU. What waits for its other parts is bounded. */
#define IP_FRAG                           1
#define IP_REASSEMBLY                     1
#define IP_REASS_MAX_PBUFS                256
#define IP_REASS_MAXAGE                   15
#define LWIP_IPV6_FRAG                    1
#define LWIP_IPV6_REASS                   1
#define IPV6_REASS_MAXAGE                 15
#define IPV6_FRAG_COPYHEADER              1       /* its notes have no room in a header of pointers of eight bytes */
#define MEMP_NUM_REASSDATA                32

#define LWIP_RAW                          1
#define LWIP_UDP                          1
#define LWIP_ICMP                         1
#define LWIP_ICMP6                        1

#define LWIP_TCP                          1
#define LWIP_CALLBACK_API                 1
#define TCP_MSS                           8960    /* the netif's MTU sets it lower */
#define TCP_MSS_MIN_IP4                   536     /* RFC 9293 §3.7.1: what is sent to a host that names no size, and so what each takes */
#define TCP_MSS_MIN_IP6                   1220
#define TCP_CALCULATE_EFF_SEND_MSS        1
#define LWIP_WND_SCALE                    1
#define TCP_RCV_SCALE                     6
#define TCP_WND                           (2 * 1024 * 1024)
#define TCP_SND_BUF                       (2 * 1024 * 1024)
#define TCP_SND_QUEUELEN                  16384
#define TCP_SNDLOWAT                      16384   /* not used */
#define TCP_WND_UPDATE_THRESHOLD          (TCP_WND / 16)
#define TCP_OVERSIZE                      0       /* nothing is copied: the connection keeps what it wrote */
#define LWIP_TCP_SACK_OUT                 1
#define LWIP_TCP_TIMESTAMPS               1
#define LWIP_TCP_KEEPALIVE                1
#define TCP_QUEUE_OOSEQ                   1

#define TCP_OOSEQ_MAX_PBUFS               1024      /* see tn-lwip-input.c */
#define TCP_LISTEN_BACKLOG                1
#define TCP_DEFAULT_LISTEN_BACKLOG        128
/* RFC 6335 §6. The first port is one after this, and the end itself is never one: lwIP's own line may begin at the end, and count on to 0. */
#define TCP_LOCAL_PORT_RANGE_START        0xc000
#define TCP_LOCAL_PORT_RANGE_END          0xffff
#define TCP_ENSURE_LOCAL_PORT_RANGE(any) \
  ((u16_t) (TCP_LOCAL_PORT_RANGE_START + (u16_t) (any) % (TCP_LOCAL_PORT_RANGE_END - TCP_LOCAL_PORT_RANGE_START)))
#define LWIP_TCP_PCB_NUM_EXT_ARGS         1
#define SO_REUSE                          1

/* Ticks of 100 ms instead of 500: what a burst of losses costs is a retransmission timeout. */
#define TCP_TMR_INTERVAL                  50
#define LWIP_TCP_RTO_TIME                 1000    /* RFC 6298 */
#define TCP_SYNMAXRTX                     12      /* one a second */
#define TCP_MSL                           15000UL

#define LWIP_HOOK_FILENAME                "lwip-hooks.h"
#define LWIP_CHKSUM                       tn_lwip_checksum

/* Declared in that file; lwIP's headers ask for the macros alone. */
#define LWIP_HOOK_TCP_HELD(pcb)                  tn_lwip_tcp_held (pcb)
#define LWIP_HOOK_TCP_GIVE_UP(pcb)               tn_lwip_tcp_give_up (pcb)
#define LWIP_HOOK_TCP_SACK(pcb, ranges, n)       tn_lwip_tcp_sack (pcb, ranges, n)
#define LWIP_HOOK_TCP_ACK(pcb)                   tn_lwip_tcp_ack (pcb)
#define LWIP_HOOK_IP4_ROUTE_SRC(src, dest)       tn_lwip_reply_netif ()
#define LWIP_HOOK_IP6_ROUTE(src, dest)           tn_lwip_reply_netif ()
#define LWIP_HOOK_TCP_ISN(lip, lport, rip, rport) tn_lwip_tcp_isn (lip, lport, rip, rport)
