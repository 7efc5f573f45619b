/* What the files of kernel/ob show each other. */
#ifndef METRONOME_OBP_H
#define METRONOME_OBP_H

#include "ke.h"
#include "ex.h"
#include "ob.h"

/* Before each object. */
typedef struct DECLSPEC_ALIGN(16) _OBJECT_HEADER {
    volatile LONG64 References; /* handles count, too; the last one to go deletes the object */
    volatile LONG Handles;      /* the last one to go closes it */
    const OBJECT_TYPE *Type;
    WORK_QUEUE_ITEM Deletion; /* of a type that is deleted at PASSIVE_LEVEL */
} OBJECT_HEADER, *POBJECT_HEADER;

FORCEINLINE POBJECT_HEADER ObpHeaderOf(PVOID Object)
{
    return (POBJECT_HEADER)Object - 1;
}

#endif
