/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-error.h"

G_DEFINE_QUARK (tn-error-quark, tn_error)
