/*
 * Plug and play inside the kernel: the devices that there are, and which driver has which. Each is
 * a node, the device extension of a physical device object of the kernel's own. Whose turn it is
 * (IopBeginPnp) may look at nodes and change them; nobody else does.
 */
#ifndef METRONOME_PNP_H
#define METRONOME_PNP_H

#include "ntddk.h"

struct _PCI_FUNCTION;
struct _LOADED_DRIVER;

#define PNP_NAME_LENGTH 24
#define PNP_ID_LENGTH   32

typedef struct _PNP_NODE {
    LIST_ENTRY Links;               /* all nodes */
    struct _LOADED_DRIVER *Driver;  /* who has it; NULL: nobody */
    BOOLEAN Gone;                   /* its driver has been told so; open handles keep it */
    PDEVICE_OBJECT PhysicalDevice;  /* from here on: constant */
    struct _PCI_FUNCTION *Function; /* NULL: not on the PCI bus */
    ULONG IsaInterrupt;             /* of a device of the platform; NO_ISA_INTERRUPT: none */
    const struct _PNP_PORTS *Ports; /* of a device of the platform; NULL: none */
    BOOLEAN MadeForDriver;          /* goes with its driver */
    CHAR Name[PNP_NAME_LENGTH];     /* "00:02.0", "PNP0B00": for people */
    CHAR HardwareId[PNP_ID_LENGTH]; /* "PCI\VEN_1234&DEV_11E8" */
} PNP_NODE, *PPNP_NODE;

#define NO_ISA_INTERRUPT MAXULONG

/* One or two ranges of ports; a length of 0 is none. */
typedef struct _PNP_PORTS {
    USHORT First[2], Length[2];
} PNP_PORTS;

/*
 * Which devices a driver is for, as its INF file says. Made by the build from
 * drivers/NAME/NAME.inf; ends with a NULL name. Messages: how many its devices may interrupt with,
 * 0 for their lines.
 */
typedef struct _PNP_DRIVER_ID {
    PCSTR Driver;
    PCSTR HardwareId;
    ULONG64 Messages;
} PNP_DRIVER_ID;
extern const PNP_DRIVER_ID IopDriverIds[];

/*
 * The command remove: has the driver of the device with this name give it up. Surprise: the device
 * is said to be gone already. STATUS_NO_SUCH_DEVICE, STATUS_INVALID_DEVICE_REQUEST if no driver has
 * it, STATUS_DEVICE_BUSY if the driver refuses, or if it is in use. PASSIVE_LEVEL.
 */
NTSTATUS IopRemoveDevice(PCSTR Name, BOOLEAN Surprise);

/* One plug and play operation at a time, drivers' routines included. PASSIVE_LEVEL. */
VOID IopBeginPnp(VOID);
VOID IopEndPnp(VOID);

/* The node behind Previous, the first one for NULL; NULL at the end. In one's turn. Any IRQL. */
PPNP_NODE IopNextNode(PPNP_NODE Previous);

/* Of a node that has a driver. In one's turn. Any IRQL. */
PCSTR IopDriverNameOfNode(const PNP_NODE *Node);

#endif
