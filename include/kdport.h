/*
 * The console's serial port: what the kernel and the driver of the port tell each other. The kernel
 * opens the port by the name that ends in KD_PORT_FILE, which leaves the line as it is, and sends
 * the request. From then on the driver asks the kernel for what is to be sent, and the kernel reads
 * like anybody else. Comes behind ntddk.h, ours or another one.
 */
#ifndef METRONOME_KDPORT_H
#define METRONOME_KDPORT_H

#define KD_PORT_FILE L"\\console"

/* Excludes everybody else from the transmitter. Any IRQL; HIGH_LEVEL in between. */
typedef KIRQL KD_PORT_ACQUIRE(VOID);
typedef VOID KD_PORT_RELEASE(KIRQL OldIrql);

/* Takes up to Length (at least 2) characters to be sent, between Acquire and Release; 0: none. */
typedef ULONG KD_PORT_FETCH(PUCHAR Buffer, ULONG Length);

/* There is something to fetch, after there was nothing. IRQL: <= DISPATCH_LEVEL. */
typedef VOID KD_PORT_KICK(PVOID Context);

typedef struct _KD_PORT {
    KD_PORT_ACQUIRE *Acquire; /* these three are the kernel's */
    KD_PORT_RELEASE *Release;
    KD_PORT_FETCH *Fetch;
    KD_PORT_KICK *Kick; /* and these two the driver's */
    PVOID Context;
} KD_PORT, *PKD_PORT;

/* An internal device control; Type3InputBuffer is the KD_PORT, which stays where it is. */
#define IOCTL_INTERNAL_CONNECT_KD_PORT \
    CTL_CODE(FILE_DEVICE_SERIAL_PORT, 0x800, METHOD_NEITHER, FILE_ANY_ACCESS)

#endif
