/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-testkit-control.h"
#include "tn-testkit-server.h"

G_BEGIN_DECLS

typedef struct _TnTestkitLink TnTestkitLink;
typedef struct _TnTestkitWorker TnTestkitWorker;

/* For tn-testkit-control*.c alone. */
struct _TnTestkitControl
{
  GObject          parent_instance;
  gboolean         threaded;
  TnTestkitServer *server;
  TnTestkitLink   *link;
  TnTestkitWorker *worker;       /* NULL unless threaded; ends itself */
  GThread         *thread;
};

typedef void (*TnTestkitCall) (TnTestkitServer *server, gpointer data);

/* Runs @call where the server lives, and returns once it has run. */
void tn_testkit_control_invoke (TnTestkitControl *self, TnTestkitCall call, gpointer data);

void tn_testkit_control_install_properties (GObjectClass *klass);

G_END_DECLS
