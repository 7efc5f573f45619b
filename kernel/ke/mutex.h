/* What waits, and the end of a thread, need of mutexes. The dispatcher lock is held. */
#ifndef METRONOME_KE_MUTEX_H
#define METRONOME_KE_MUTEX_H

#include "ke.h"

/* Makes Thread the owner, or once more; returns the base of the wait's status. */
LONG64 KiTakeMutant(PKMUTANT Mutant, PKTHREAD Thread);

/* Takes Mutant from its owner and gives it to a waiter. */
VOID KiFreeMutant(PKMUTANT Mutant, BOOLEAN Abandoned);

#endif
