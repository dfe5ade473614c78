/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* Stands between clients and a server on loopback, and keeps a copy of all that the clients send. It has threads of its own. */
typedef struct _Recorder Recorder;

/* @certificate: nullable; with it both sides speak TLS, and what is inside is recorded. */
Recorder   *recorder_new          (guint16 server_port, GTlsCertificate *certificate);
void        recorder_free         (Recorder *recorder);      /* closes what is open */
guint16     recorder_get_port     (Recorder *recorder);

/* What each connection so far has sent: of GBytes. */
GPtrArray  *recorder_dup_records  (Recorder *recorder);

/* The same for datagrams, in the thread-default main context. */
typedef struct _DatagramRecorder DatagramRecorder;

DatagramRecorder *datagram_recorder_new         (guint16 server_port);
void              datagram_recorder_free        (DatagramRecorder *recorder);
guint16           datagram_recorder_get_port    (DatagramRecorder *recorder);
GPtrArray        *datagram_recorder_get_records (DatagramRecorder *recorder);      /* borrowed; of GBytes */

G_END_DECLS
