/*
 * Messages instead of interrupt lines: a device that writes Data to Address interrupts, without
 * any I/O APIC in between. The local APICs listen to this range of addresses.
 *
 *     address  FEE0 0000   bits 19-12: the APIC identifier of the processor
 *     data                 bits 7-0: the vector; the rest 0: edge-triggered, to that processor
 */
#include "apic.h"
#include "arch.h"

#define MESSAGE_BASE            0xFEE00000ull
#define MESSAGE_PROCESSOR_SHIFT 12

/*
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: what a device has to write so that Vector arrives at a processor
 * Source:  Intel SDM 3A, 10.11 (message signalled interrupts)
 */
ARCH_MESSAGE ArchMessage(ULONG Processor, UCHAR Vector)
{
    return (ARCH_MESSAGE){
        .Address = MESSAGE_BASE | (ULONG64)ArchProcessorApicId[Processor]
                                      << MESSAGE_PROCESSOR_SHIFT,
        .Data = Vector,
    };
}
