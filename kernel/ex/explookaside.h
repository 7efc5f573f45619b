/* What the kinds of lookaside lists share: lookasidecore.c. */
#ifndef METRONOME_EXPLOOKASIDE_H
#define METRONOME_EXPLOOKASIDE_H

#include "ke.h"

/* Sets everything but the callbacks and enters the list among the live ones. */
VOID ExpInitializeLookaside(PGENERAL_LOOKASIDE Lookaside, POOL_TYPE PoolType, SIZE_T Size,
                            ULONG Tag);

/* Takes the list from the live ones: the first step of its end. */
VOID ExpLeaveLookaside(PGENERAL_LOOKASIDE Lookaside);

/* The entry that was freed last; NULL if the list holds none. */
PVOID ExpPopLookaside(PGENERAL_LOOKASIDE Lookaside);

/* Keeps an entry; FALSE if the list is full. */
BOOLEAN ExpPushLookaside(PGENERAL_LOOKASIDE Lookaside, PVOID Entry);

#endif
