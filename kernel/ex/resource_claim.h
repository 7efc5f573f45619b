/* What the two sources of executive resources share. */
#ifndef METRONOME_EX_RESOURCE_CLAIM_H
#define METRONOME_EX_RESOURCE_CLAIM_H

#include "ntddk.h"

/* The claim of a thread that has the resource, or NULL. The resource's lock is held. */
PERESOURCE_CLAIM ExpFindClaim(PERESOURCE Resource, PKTHREAD Thread);

#endif
