/* What the end of a thread needs of mutexes. */
#ifndef METRONOME_KE_MUTEX_H
#define METRONOME_KE_MUTEX_H

#include "ke.h"

/* Takes Mutant from its owner and gives it to a waiter. The dispatcher lock is held. */
VOID KiFreeMutant(PKMUTANT Mutant, BOOLEAN Abandoned);

#endif
