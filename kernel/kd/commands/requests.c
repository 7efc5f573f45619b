/*
 * The commands irps and objects. What is under a lock is copied, a bounded number, and printed
 * without it. PASSIVE_LEVEL.
 */
#include "kd/kdp.h"
#include "io.h"
#include "ob.h"

#define IRP_LIMIT  32
#define NAME_LIMIT 64
#define TEXT_LIMIT 40

static PCSTR MajorName(UCHAR MajorFunction)
{
    static const PCSTR names[] = {
        [IRP_MJ_CREATE] = "CREATE",
        [IRP_MJ_CLOSE] = "CLOSE",
        [IRP_MJ_READ] = "READ",
        [IRP_MJ_WRITE] = "WRITE",
        [IRP_MJ_FLUSH_BUFFERS] = "FLUSH_BUFFERS",
        [IRP_MJ_DEVICE_CONTROL] = "DEVICE_CONTROL",
        [IRP_MJ_INTERNAL_DEVICE_CONTROL] = "INTERNAL_CONTROL",
        [IRP_MJ_SHUTDOWN] = "SHUTDOWN",
        [IRP_MJ_CLEANUP] = "CLEANUP",
        [IRP_MJ_POWER] = "POWER",
        [IRP_MJ_SYSTEM_CONTROL] = "SYSTEM_CONTROL",
        [IRP_MJ_PNP] = "PNP",
    };

    return MajorFunction < ARRAYSIZE(names) && names[MajorFunction] ? names[MajorFunction] : "?";
}

/* The name of a loaded driver, by its driver object's address: the object may be gone. */
typedef struct _DRIVER_NAME {
    PDRIVER_OBJECT Driver;
    CHAR Name[TEXT_LIMIT];
} DRIVER_NAME;

static VOID CompareDriver(PDRIVER_OBJECT DriverObject, PVOID Context)
{
    DRIVER_NAME *search = Context;

    if (DriverObject == search->Driver)
        RtlStringPrint(search->Name, sizeof(search->Name), "%wZ",
                       &DriverObject->DriverExtension->ServiceKeyName);
}

static VOID FindDriverName(DRIVER_NAME *Search, PDRIVER_OBJECT Driver)
{
    Search->Driver = Driver;
    RtlStringPrint(Search->Name, sizeof(Search->Name), "%s", Driver ? "bus" : "its maker");
    if (Driver)
        IopVisitDrivers(CompareDriver, Search);
}

static VOID PrintRequest(const IOP_REQUEST_INFORMATION *Request, ULONG64 Now)
{
    DRIVER_NAME driver;
    CHAR level[8], age[24], code[64];

    FindDriverName(&driver, Request->Driver);
    RtlStringPrint(level, sizeof(level), Request->Sent ? "%d/%d" : "-", Request->Location,
                   Request->StackCount);
    DbgPrint("  %016llx  %-16s  %-12s  %5s  %12s  %s%s%s\n", (ULONG64)Request->Irp,
             Request->Sent ? MajorName(Request->MajorFunction) : "(not sent)", driver.Name, level,
             KdpFormatInterval(age, sizeof(age), (LONG64)(Now - Request->Since)),
             Request->Thread ? "of a thread" : "of a driver",
             Request->Cancellable ? ", cancellable" : "", Request->Cancel ? ", cancelled" : "");
    if (Request->Maker)
        DbgPrint("                      made by %s\n",
                 KdFormatAddress(code, sizeof(code), Request->Maker));
}

/*
 * irps: the requests under way, where each one is and for how long.
 *
 * IRQL:    PASSIVE_LEVEL (not checked)
 * Locks:   none but the console's, for each line
 * Context: the monitor
 * Returns: nothing
 */
VOID KdpIrps(ULONG Count, PCSTR Arguments[])
{
    static IOP_REQUEST_INFORMATION copies[IRP_LIMIT]; /* one monitor */
    ULONG64 now = KiQueryInterruptTime();
    ULONG total = IopCopyRequests(copies, IRP_LIMIT);

    UNREFERENCED_PARAMETER(Count);
    UNREFERENCED_PARAMETER(Arguments);
    if (total)
        DbgPrint("  IRP               request           at            level    for seconds\n");
    for (ULONG n = 0; n < min(total, IRP_LIMIT); n++)
        PrintRequest(&copies[n], now);
    if (total > IRP_LIMIT)
        DbgPrint("  and %u more\n", total - IRP_LIMIT);
    DbgPrint("%u request%s.\n", total, total == 1 ? "" : "s");
}

/* ---- objects ---- */

typedef struct _NAME_COPIES {
    ULONG Count;
    struct {
        CHAR Name[TEXT_LIMIT], Target[TEXT_LIMIT];
        PVOID Object;
        LONG References; /* of the device: opens, work items */
    } Names[NAME_LIMIT];
} NAME_COPIES;

static VOID CopyName(OB_NAME_KIND Kind, PCUNICODE_STRING Name, PVOID Object,
                     PCUNICODE_STRING Target, PVOID Context)
{
    NAME_COPIES *copies = Context;
    ULONG n = copies->Count++;

    if (n >= NAME_LIMIT)
        return;
    RtlStringPrint(copies->Names[n].Name, TEXT_LIMIT, "%wZ", Name);
    copies->Names[n].Target[0] = 0;
    copies->Names[n].Object = Object;
    if (Kind == ObNameSymbolicLink)
        RtlStringPrint(copies->Names[n].Target, TEXT_LIMIT, "%wZ", Target);
    else
        copies->Names[n].References = ((PDEVICE_OBJECT)Object)->ReferenceCount;
}

/*
 * objects: the names of devices and the symbolic links.
 *
 * IRQL:    PASSIVE_LEVEL (not checked)
 * Locks:   none but the console's, for each line
 * Context: the monitor
 * Returns: nothing
 */
VOID KdpObjects(ULONG Count, PCSTR Arguments[])
{
    static NAME_COPIES copies; /* one monitor */

    UNREFERENCED_PARAMETER(Count);
    UNREFERENCED_PARAMETER(Arguments);
    copies.Count = 0;
    ObpVisitNames(CopyName, &copies);
    for (ULONG n = 0; n < min(copies.Count, NAME_LIMIT); n++) {
        if (copies.Names[n].Target[0])
            DbgPrint("  %-28s  link to %s\n", copies.Names[n].Name, copies.Names[n].Target);
        else
            DbgPrint("  %-28s  device %016llx, %d reference%s\n", copies.Names[n].Name,
                     (ULONG64)copies.Names[n].Object, copies.Names[n].References,
                     copies.Names[n].References == 1 ? "" : "s");
    }
    if (copies.Count > NAME_LIMIT)
        DbgPrint("  and %u more\n", copies.Count - NAME_LIMIT);
}
