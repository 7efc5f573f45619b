/* The commands about drivers, devices and interrupts. PASSIVE_LEVEL, no lock. */
#include "kd/kdp.h"
#include "io.h"
#include "ldr.h"
#include "ob.h"

/* A driver's own name is the last part of \Driver\NAME. */
static BOOLEAN HasName(PDRIVER_OBJECT DriverObject, PCSTR Name)
{
    PCUNICODE_STRING full = &DriverObject->DriverName;
    ULONG length = (ULONG)strlen(Name), characters = full->Length / sizeof(WCHAR);

    if (characters < length + 1 || full->Buffer[characters - length - 1] != '\\')
        return FALSE;
    for (ULONG i = 0; i < length; i++)
        if (full->Buffer[characters - length + i] != (WCHAR)Name[i])
            return FALSE;
    return TRUE;
}

typedef struct _DRIVER_SEARCH {
    PCSTR Name;
    PDRIVER_OBJECT Found;
} DRIVER_SEARCH;

static VOID CompareDriver(PDRIVER_OBJECT DriverObject, PVOID Context)
{
    DRIVER_SEARCH *search = Context;

    if (HasName(DriverObject, search->Name))
        search->Found = DriverObject;
}

static ULONG CountDevices(PDRIVER_OBJECT DriverObject)
{
    ULONG count = 0;

    for (PDEVICE_OBJECT device = DriverObject->DeviceObject; device; device = device->NextDevice)
        count++;
    return count;
}

static VOID PrintDriver(PCSTR Name, PVOID Start, PVOID End)
{
    DRIVER_SEARCH search = {.Name = Name};

    IopVisitDrivers(CompareDriver, &search);
    DbgPrint("  %-16s  %-6s  %7u", Name, search.Found ? "loaded" : "-",
             search.Found ? CountDevices(search.Found) : 0);
    if (Start)
        DbgPrint("  %016llx to %016llx\n", (ULONG64)Start, (ULONG64)End);
    else
        DbgPrint("  in its file\n");
}

/*
 * drivers: every driver, loaded or not; those in the image, then those from files.
 *
 * IRQL:    PASSIVE_LEVEL (not checked)
 * Locks:   none but the console's, for each line
 * Context: the monitor
 * Returns: nothing
 */
VOID KdpDrivers(ULONG Count, PCSTR Arguments[])
{
    UNREFERENCED_PARAMETER(Count);
    UNREFERENCED_PARAMETER(Arguments);
    DbgPrint("  driver            state   devices  code\n");
    for (const DRIVER_IMAGE *driver = IopBuiltInDrivers; driver->Name; driver++)
        if (!LdrFindFile(driver->Name))
            PrintDriver(driver->Name, driver->TextStart, driver->TextEnd);
    for (ULONG i = 0; i < LdrFileCount; i++) {
        PUCHAR base = LdrFiles[i].Base;

        PrintDriver(LdrFiles[i].Name, base, base ? base + LdrFiles[i].Image.Size : NULL);
    }
}

static VOID PrintDevice(PDEVICE_OBJECT Device)
{
    static const UNICODE_STRING none = RTL_CONSTANT_STRING(L"(no name)");
    PCUNICODE_STRING name = ObpNameOfDevice(Device);

    DbgPrint("  %-24wZ  %016llx  extension %016llx%s%s\n", name ? name : &none, (ULONG64)Device,
             (ULONG64)Device->DeviceExtension, Device->Timer ? ", IoTimer" : "",
             Device->AttachedDevice ? ", device above" : "");
}

static VOID PrintDevicesOfDriver(PDRIVER_OBJECT DriverObject, PVOID Context)
{
    *(PBOOLEAN)Context = TRUE;
    DbgPrint("%wZ\n", &DriverObject->DriverName);
    for (PDEVICE_OBJECT device = DriverObject->DeviceObject; device; device = device->NextDevice)
        PrintDevice(device);
}

/*
 * devices: the devices, driver by driver.
 *
 * IRQL:    PASSIVE_LEVEL (not checked)
 * Locks:   none but the console's, for each line
 * Context: the monitor
 * Returns: nothing
 */
VOID KdpDevices(ULONG Count, PCSTR Arguments[])
{
    BOOLEAN any = FALSE;

    UNREFERENCED_PARAMETER(Count);
    UNREFERENCED_PARAMETER(Arguments);
    IopVisitDrivers(PrintDevicesOfDriver, &any);
    if (!any)
        DbgPrint("No driver is loaded.\n");
}

/*
 * Says why a driver was not loaded: what is wrong with its file, or what it says itself.
 *
 * IRQL:    PASSIVE_LEVEL (not checked)
 * Locks:   none but the console's
 * Context: who has tried to load it
 * Returns: nothing
 */
VOID KdReportNotLoaded(PCSTR Name, NTSTATUS Status)
{
    PCSTR why = IopWhyNotLoaded(Name);

    if (why)
        DbgPrint("Driver %s was not loaded: %s.sys %s (status 0x%08X).\n", Name, Name, why,
                 (ULONG)Status);
    else
        KdpPrintStatus("Cannot load", Name, Status);
}

/*
 * load NAME.
 *
 * IRQL:    PASSIVE_LEVEL (not checked)
 * Locks:   none but the console's, for each line
 * Context: the monitor
 * Returns: nothing
 */
VOID KdpLoad(ULONG Count, PCSTR Arguments[])
{
    NTSTATUS status = IopLoadDriver(Arguments[0]);

    UNREFERENCED_PARAMETER(Count);
    if (NT_SUCCESS(status))
        DbgPrint("Loaded %s.\n", Arguments[0]);
    else
        KdReportNotLoaded(Arguments[0], status);
    KdUseSerialDriver(); /* it may have been that one */
}

/*
 * unload NAME.
 *
 * IRQL:    PASSIVE_LEVEL (not checked)
 * Locks:   none but the console's, for each line
 * Context: the monitor
 * Returns: nothing
 */
VOID KdpUnload(ULONG Count, PCSTR Arguments[])
{
    NTSTATUS status = IopUnloadDriver(Arguments[0]);

    UNREFERENCED_PARAMETER(Count);
    if (NT_SUCCESS(status))
        DbgPrint("Unloaded %s.\n", Arguments[0]);
    else
        KdpPrintStatus("Cannot unload", Arguments[0], status);
}

static VOID PrintInterrupt(const KINTERRUPT_INFORMATION *Information, PVOID Context)
{
    CHAR name[64];

    UNREFERENCED_PARAMETER(Context);
    DbgPrint("  %6X  %4u  %8u  %-5s  %-6s  %3u  %8llu  %s%s\n", Information->Vector,
             Information->Irql, Information->SynchronizeIrql,
             Information->Mode == LevelSensitive ? "level" : "edge",
             Information->Shared ? "yes" : "no", Information->Processor, Information->Count,
             KdFormatAddress(name, sizeof(name), (PVOID)Information->ServiceRoutine),
             Information->Active ? "" : " (inactive)");
}

/*
 * interrupts: the connected interrupt service routines.
 *
 * IRQL:    PASSIVE_LEVEL (not checked)
 * Locks:   none but the console's, for each line
 * Context: the monitor
 * Returns: nothing
 */
VOID KdpInterrupts(ULONG Count, PCSTR Arguments[])
{
    UNREFERENCED_PARAMETER(Count);
    UNREFERENCED_PARAMETER(Arguments);
    DbgPrint("  vector  IRQL  SyncIrql  mode   shared  cpu    served  service routine\n");
    KiVisitInterrupts(PrintInterrupt, NULL);
    DbgPrint("Spurious interrupts: %llu. Console characters lost: %u.\n", KiSpuriousInterrupts,
             KdInputOverruns);
}
