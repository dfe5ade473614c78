/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Frames of the relay protocol, both sides (tailscale derp/derp.go): one type byte, the length of the payload as a big-endian
 * 32-bit number, the payload. */

#include "tn-ip.h"
#include "tn-keys.h"
#include "tn-reader.h"

G_BEGIN_DECLS

enum
{
  TN_DERP_PROTOCOL_VERSION = 2,            /* ProtocolVersion */
  TN_DERP_FRAME_HEADER_LEN = 1 + 4,        /* FrameHeaderLen: type, length */
  TN_DERP_SEND_HEADER_LEN = 1 + 4 + 32,    /* what SendPacket and RecvPacket have before their data */
  TN_DERP_NONCE_LEN = 24,                  /* NonceLen */
  TN_DERP_MAGIC_LEN = 8,
  TN_DERP_PING_LEN = 8,
  TN_DERP_PACKET_MAX = 64 << 10,           /* MaxPacketSize: data of SendPacket */
  TN_DERP_FRAME_MAX = 1 << 20,             /* derp_client.go recvTimeout(): payload of any frame from a server */
  TN_DERP_SERVER_KEY_MAX = 1 << 10,        /* derp_client.go recvServerKey() */
  TN_DERP_CLIENT_INFO_MAX = 256 << 10,     /* derpserver.go recvClientKey() */
  TN_DERP_PING_MAX = 1000,                 /* derpserver.go handleFramePing() */
};

#define TN_DERP_MAGIC "DERP\xf0\x9f\x94\x91"      /* Magic: "DERP" and a key */

typedef enum
{
  TN_DERP_SERVER_KEY     = 0x01,
  TN_DERP_CLIENT_INFO    = 0x02,
  TN_DERP_SERVER_INFO    = 0x03,
  TN_DERP_SEND_PACKET    = 0x04,
  TN_DERP_RECV_PACKET    = 0x05,
  TN_DERP_KEEP_ALIVE     = 0x06,
  TN_DERP_NOTE_PREFERRED = 0x07,
  TN_DERP_PEER_GONE      = 0x08,
  TN_DERP_PEER_PRESENT   = 0x09,
  TN_DERP_FORWARD_PACKET = 0x0a,
  TN_DERP_WATCH_CONNS    = 0x10,
  TN_DERP_CLOSE_PEER     = 0x11,
  TN_DERP_PING           = 0x12,
  TN_DERP_PONG           = 0x13,
  TN_DERP_HEALTH         = 0x14,
  TN_DERP_RESTARTING     = 0x15,
} TnDerpFrameType;

enum
{
  TN_DERP_GONE_DISCONNECTED = 0x00,
  TN_DERP_GONE_NOT_HERE     = 0x01,
};

enum
{
  TN_DERP_PRESENT_REGULAR   = 1 << 0,
  TN_DERP_PRESENT_MESH_PEER = 1 << 1,
  TN_DERP_PRESENT_PROBER    = 1 << 2,
  TN_DERP_PRESENT_NOT_IDEAL = 1 << 3,
};

typedef struct
{
  guint8        type;         /* any byte: unknown ones are skipped by whoever gets them */
  guint32       len;
  const guint8 *payload;      /* in the bytes given */
} TnDerpFrame;

typedef enum
{
  TN_DERP_PARSED,
  TN_DERP_INCOMPLETE,         /* more bytes are needed; the reader is where it was */
  TN_DERP_TOO_LONG,           /* the header claims more than allowed: the stream is of no use any more */
} TnDerpParse;

/* What a server says, but for the server's information, which comes in a box: tn-derp-info.h. */
typedef struct
{
  TnDerpFrameType type;
  TnNodePublicKey key;              /* RECV_PACKET: from; PEER_GONE, PEER_PRESENT: who */
  const guint8   *data;             /* RECV_PACKET: packet; HEALTH: text, not terminated */
  guint32         len;
  guint8          reason;           /* PEER_GONE */
  guint8          flags;            /* PEER_PRESENT: 0 from old servers */
  TnIpEndpoint    endpoint;         /* PEER_PRESENT: version 0 from old servers */
  guint8          token[TN_DERP_PING_LEN];
  guint32         reconnect_in_ms;  /* RESTARTING */
  guint32         try_for_ms;
} TnDerpMessage;

static inline void
tn_derp_frame_put_header (guint8 *out, TnDerpFrameType type, guint32 len)
{
  out[0] = (guint8) type;
  tn_put_u32be (out + 1, len);
}

/* Takes one frame off @r. @max_len bounds the payload. */
TnDerpParse tn_derp_frame_next      (TnReader *r, guint32 max_len, TnDerpFrame *frame) G_GNUC_WARN_UNUSED_RESULT;

/* The server's first frame; there may be more in it than we know. */
gboolean    tn_derp_greeting_parse  (const TnDerpFrame *frame, TnNodePublicKey *server_key) G_GNUC_WARN_UNUSED_RESULT;

/* FALSE: nothing for a client, or too short: skip it, the connection stays. @message points into @frame. */
gboolean    tn_derp_message_parse   (const TnDerpFrame *frame, TnDerpMessage *message) G_GNUC_WARN_UNUSED_RESULT;

/* Appends a frame whose payload is @a and then @b. */
void        tn_derp_frame_append    (GByteArray *out, TnDerpFrameType type, const void *a, gsize a_len, const void *b, gsize b_len);

void        tn_derp_greeting_append (GByteArray *out, const TnNodePublicKey *server_key);
void        tn_derp_note_preferred_append (GByteArray *out, gboolean preferred);
void        tn_derp_peer_present_append (GByteArray *out, const TnNodePublicKey *peer, const TnIpEndpoint *endpoint, guint8 flags);

/* FALSE, and nothing appended: more data than a frame may have. */
gboolean    tn_derp_send_append     (GByteArray *out, const TnNodePublicKey *to, const void *data, gsize len) G_GNUC_WARN_UNUSED_RESULT;
gboolean    tn_derp_forward_append  (GByteArray *out, const TnNodePublicKey *from, const TnNodePublicKey *to,
                                     const void *data, gsize len) G_GNUC_WARN_UNUSED_RESULT;

/* Could be a disco message, as a relay that has no keys tells (tailscale disco/disco.go LooksLikeDiscoWrapper()). */
gboolean    tn_derp_looks_like_disco (const guint8 *data, gsize len);

G_END_DECLS
