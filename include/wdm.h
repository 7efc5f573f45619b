/* The name under which WDM drivers know the same headers. */
#ifndef METRONOME_WDM_H
#define METRONOME_WDM_H

#include "ntddk.h"

#endif
