/*
 * Names: one list of "\Device\X" to device objects and of "\DosDevices\Y" to other names, under
 * NamesLock at DISPATCH_LEVEL. Upper and lower case are the same, and so are "\??\Y" and
 * "\DosDevices\Y".
 */
#include "ke.h"
#include "ex.h"
#include "ob.h"
#include "io.h"

#define TAG_NAME      ((ULONG)'maNO')
#define MAXIMUM_LINKS 8

typedef struct _NAME_ENTRY {
    LIST_ENTRY Links;
    OB_NAME_KIND Kind;
    PVOID Object;          /* a device; NULL for a symbolic link */
    UNICODE_STRING Name;   /* the characters stand behind the entry */
    UNICODE_STRING Target; /* of a symbolic link */
} NAME_ENTRY, *PNAME_ENTRY;

static LIST_ENTRY Names = {&Names, &Names};
static KSPIN_LOCK NamesLock;

static const UNICODE_STRING ShortPrefix = RTL_CONSTANT_STRING(L"\\??\\");
static const UNICODE_STRING LongPrefix = RTL_CONSTANT_STRING(L"\\DosDevices\\");

/* Cuts off a prefix that means "the links for everybody". TRUE if there was one. */
static BOOLEAN CutPrefix(UNICODE_STRING *Name, const UNICODE_STRING *Prefix)
{
    UNICODE_STRING head = *Name;

    if (Name->Length < Prefix->Length)
        return FALSE;
    head.Length = Prefix->Length;
    if (!RtlEqualUnicodeString(&head, Prefix, TRUE))
        return FALSE;
    Name->Buffer += Prefix->Length / sizeof(WCHAR);
    Name->Length = (USHORT)(Name->Length - Prefix->Length);
    return TRUE;
}

static BOOLEAN SameName(PCUNICODE_STRING First, PCUNICODE_STRING Second)
{
    UNICODE_STRING first = *First, second = *Second;
    BOOLEAN firstLink = CutPrefix(&first, &ShortPrefix) || CutPrefix(&first, &LongPrefix);
    BOOLEAN secondLink = CutPrefix(&second, &ShortPrefix) || CutPrefix(&second, &LongPrefix);

    return firstLink == secondLink && RtlEqualUnicodeString(&first, &second, TRUE);
}

/* "\a" or "\a\b...": no empty part, whole characters. */
static BOOLEAN IsValidName(PCUNICODE_STRING Name)
{
    ULONG length = Name->Length / sizeof(WCHAR);

    if (!Name->Buffer || Name->Length % sizeof(WCHAR) || length < 2 || Name->Buffer[0] != '\\' ||
        Name->Buffer[length - 1] == '\\')
        return FALSE;
    for (ULONG n = 1; n < length; n++) {
        if (Name->Buffer[n] == '\\' && Name->Buffer[n - 1] == '\\')
            return FALSE;
    }
    return TRUE;
}

/* Under NamesLock. */
static PNAME_ENTRY FindEntry(PCUNICODE_STRING Name)
{
    for (PLIST_ENTRY link = Names.Flink; link != &Names; link = link->Flink) {
        PNAME_ENTRY entry = CONTAINING_RECORD(link, NAME_ENTRY, Links);

        if (SameName(&entry->Name, Name))
            return entry;
    }
    return NULL;
}

/* The device at the end of a chain of links; NULL if there is none. Under NamesLock. */
static PDEVICE_OBJECT FollowLinks(PNAME_ENTRY Entry)
{
    for (ULONG n = 0; Entry && Entry->Kind == ObNameSymbolicLink; n++)
        Entry = n < MAXIMUM_LINKS ? FindEntry(&Entry->Target) : NULL;
    return Entry ? Entry->Object : NULL;
}

static VOID CopyName(PUNICODE_STRING Copy, PWSTR Buffer, PCUNICODE_STRING Name)
{
    Copy->Buffer = Buffer;
    Copy->Length = Copy->MaximumLength = Name->Length;
    RtlCopyMemory(Buffer, Name->Buffer, Name->Length);
}

static PNAME_ENTRY MakeEntry(PCUNICODE_STRING Name, OB_NAME_KIND Kind, PVOID Object,
                             PCUNICODE_STRING Target)
{
    SIZE_T bytes = sizeof(NAME_ENTRY) + Name->Length + (Target ? Target->Length : 0u);
    PNAME_ENTRY entry = ExAllocatePool2(POOL_FLAG_NON_PAGED, bytes, TAG_NAME);
    PWSTR text;

    if (!entry)
        return NULL;
    text = (PWSTR)(entry + 1);
    entry->Kind = Kind;
    entry->Object = Object;
    CopyName(&entry->Name, text, Name);
    if (Target)
        CopyName(&entry->Target, text + Name->Length / sizeof(WCHAR), Target);
    return entry;
}

/*
 * Gives an object a name, or a name another name.
 *
 * IRQL:    <= APC_LEVEL
 * Locks:   takes NamesLock
 * Context: any
 * Returns: STATUS_OBJECT_NAME_COLLISION, STATUS_OBJECT_NAME_INVALID,
 *          STATUS_INSUFFICIENT_RESOURCES
 * Source:  contract T-IoCreateDevice-3
 */
NTSTATUS ObpInsertName(PCUNICODE_STRING Name, OB_NAME_KIND Kind, PVOID Object,
                       PCUNICODE_STRING Target)
{
    KI_REQUIRE_IRQL_AT_MOST(APC_LEVEL, RULE_IRQL_IO_APC_LTE, "IrqlObApcLte", Name);

    PNAME_ENTRY entry;
    BOOLEAN taken;
    KIRQL oldIrql;

    if (!IsValidName(Name) || (Target && !IsValidName(Target)))
        return STATUS_OBJECT_NAME_INVALID;
    entry = MakeEntry(Name, Kind, Object, Target);
    if (!entry)
        return STATUS_INSUFFICIENT_RESOURCES;

    KeAcquireSpinLock(&NamesLock, &oldIrql);
    taken = FindEntry(Name) != NULL;
    if (!taken)
        InsertTailList(&Names, &entry->Links);
    KeReleaseSpinLock(&NamesLock, oldIrql);
    if (taken)
        ExFreePoolWithTag(entry, TAG_NAME);
    return taken ? STATUS_OBJECT_NAME_COLLISION : STATUS_SUCCESS;
}

/*
 * Removes a name; Name may be the one that the table itself keeps.
 *
 * IRQL:    <= APC_LEVEL
 * Locks:   takes NamesLock
 * Context: any
 * Returns: STATUS_OBJECT_NAME_NOT_FOUND if there is no such name of this kind
 */
NTSTATUS ObpRemoveName(PCUNICODE_STRING Name, OB_NAME_KIND Kind)
{
    KI_REQUIRE_IRQL_AT_MOST(APC_LEVEL, RULE_IRQL_IO_APC_LTE, "IrqlObApcLte", Name);

    PNAME_ENTRY entry;
    KIRQL oldIrql;

    KeAcquireSpinLock(&NamesLock, &oldIrql);
    entry = FindEntry(Name);
    if (entry && entry->Kind != Kind)
        entry = NULL;
    if (entry)
        RemoveEntryList(&entry->Links);
    KeReleaseSpinLock(&NamesLock, oldIrql);
    if (!entry)
        return STATUS_OBJECT_NAME_NOT_FOUND;
    ExFreePoolWithTag(entry, TAG_NAME);
    return STATUS_SUCCESS;
}

/*
 * Finds a device by its name or through symbolic links. The device is not referenced: the caller
 * knows why it does not go away.
 *
 * IRQL:    <= APC_LEVEL
 * Locks:   takes NamesLock
 * Context: any
 * Returns: NULL if there is no such device
 */
PDEVICE_OBJECT ObpFindDevice(PCUNICODE_STRING Name)
{
    KI_REQUIRE_IRQL_AT_MOST(APC_LEVEL, RULE_IRQL_IO_APC_LTE, "IrqlObApcLte", Name);

    PDEVICE_OBJECT device;
    KIRQL oldIrql;

    KeAcquireSpinLock(&NamesLock, &oldIrql);
    device = FollowLinks(FindEntry(Name));
    KeReleaseSpinLock(&NamesLock, oldIrql);
    return device;
}

/* The longest beginning of Name, up to a backslash, that is a name. Under NamesLock. */
static PNAME_ENTRY FindBeginning(PCUNICODE_STRING Name, UNICODE_STRING *Rest)
{
    UNICODE_STRING beginning = *Name;
    PNAME_ENTRY entry = FindEntry(&beginning);

    while (!entry && beginning.Length) {
        beginning.Length -= sizeof(WCHAR);
        if (Name->Buffer[beginning.Length / sizeof(WCHAR)] == '\\')
            entry = FindEntry(&beginning);
    }
    Rest->Buffer = Name->Buffer + beginning.Length / sizeof(WCHAR);
    Rest->Length = Rest->MaximumLength = (USHORT)(Name->Length - beginning.Length);
    return entry;
}

/*
 * Finds the device that Name names or begins to name, and opens it: under the lock, because
 * IoDeleteDevice takes the name away before anything else.
 *
 * IRQL:    <= APC_LEVEL
 * Locks:   takes NamesLock, in it IopDeviceLock
 * Context: any
 * Returns: STATUS_OBJECT_NAME_NOT_FOUND, or as IopOpenDevice
 */
NTSTATUS ObpOpenDevice(PCUNICODE_STRING Name, PDEVICE_OBJECT *DeviceObject, UNICODE_STRING *Rest)
{
    KI_REQUIRE_IRQL_AT_MOST(APC_LEVEL, RULE_IRQL_IO_APC_LTE, "IrqlObApcLte", Name);

    NTSTATUS status = STATUS_OBJECT_NAME_NOT_FOUND;
    KIRQL oldIrql;

    KeAcquireSpinLock(&NamesLock, &oldIrql);
    *DeviceObject = FollowLinks(FindBeginning(Name, Rest));
    if (*DeviceObject)
        status = IopOpenDevice(*DeviceObject);
    KeReleaseSpinLock(&NamesLock, oldIrql);
    return status;
}

/*
 * Shows all names.
 *
 * IRQL:    <= APC_LEVEL
 * Locks:   takes NamesLock, around Visit too
 * Context: the monitor
 * Returns: nothing
 */
VOID ObpVisitNames(OB_NAME_VISITOR *Visit, PVOID Context)
{
    KI_REQUIRE_IRQL_AT_MOST(APC_LEVEL, RULE_IRQL_IO_APC_LTE, "IrqlObApcLte", Visit);

    KIRQL oldIrql;

    KeAcquireSpinLock(&NamesLock, &oldIrql);
    for (PLIST_ENTRY link = Names.Flink; link != &Names; link = link->Flink) {
        PNAME_ENTRY entry = CONTAINING_RECORD(link, NAME_ENTRY, Links);

        Visit(entry->Kind, &entry->Name, entry->Object, &entry->Target, Context);
    }
    KeReleaseSpinLock(&NamesLock, oldIrql);
}

/*
 * The name that a device was given.
 *
 * IRQL:    <= APC_LEVEL
 * Locks:   takes NamesLock
 * Context: any
 * Returns: NULL if it has none; else good until IoDeleteDevice
 */
PCUNICODE_STRING ObpNameOfDevice(PDEVICE_OBJECT DeviceObject)
{
    KI_REQUIRE_IRQL_AT_MOST(APC_LEVEL, RULE_IRQL_IO_APC_LTE, "IrqlObApcLte", DeviceObject);

    PCUNICODE_STRING name = NULL;
    KIRQL oldIrql;

    KeAcquireSpinLock(&NamesLock, &oldIrql);
    for (PLIST_ENTRY link = Names.Flink; link != &Names && !name; link = link->Flink) {
        PNAME_ENTRY entry = CONTAINING_RECORD(link, NAME_ENTRY, Links);

        if (entry->Kind == ObNameDevice && entry->Object == DeviceObject)
            name = &entry->Name;
    }
    KeReleaseSpinLock(&NamesLock, oldIrql);
    return name;
}
