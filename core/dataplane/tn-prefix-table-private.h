/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-prefix-node.h"

G_BEGIN_DECLS

struct _TnPrefixTable
{
  TnPrefixNode             *root4;      /* NULL: no prefix of this family was ever there */
  TnPrefixNode             *root6;
  gsize                     size;
  const TnPrefixValueFuncs *funcs;
};

G_END_DECLS
