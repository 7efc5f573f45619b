/* The ways to open a device: by a handle, or by a pointer for another driver. PASSIVE_LEVEL. */
#include "iop.h"

/* A handle to File, which takes over the caller's reference. */
static NTSTATUS GiveHandle(PFILE_OBJECT File, PHANDLE Handle)
{
    NTSTATUS status = ObpCreateHandle(File, Handle);

    if (NT_SUCCESS(status))
        File->Flags |= FO_HANDLE_CREATED;
    else
        (*IoFileObjectType)->LastHandle(File); /* it is open, and has never had one */
    ObfDereferenceObject(File);
    return status;
}

/*
 * Opens a device by name; the handle is closed by ZwClose. AllocationSize, EaBuffer and EaLength
 * mean nothing to a device.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   takes the names' lock, IopDeviceLock, the handle lock; none around the driver
 * Context: a thread
 * Returns: STATUS_INVALID_PARAMETER without a name or with a RootDirectory, or as IopOpenFile;
 *          IoStatusBlock has the same status
 */
NTSTATUS ZwCreateFile(PHANDLE FileHandle, ACCESS_MASK DesiredAccess,
                      POBJECT_ATTRIBUTES ObjectAttributes, PIO_STATUS_BLOCK IoStatusBlock,
                      PLARGE_INTEGER AllocationSize, ULONG FileAttributes, ULONG ShareAccess,
                      ULONG CreateDisposition, ULONG CreateOptions, PVOID EaBuffer, ULONG EaLength)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlZwPassive", FileHandle);
    UNREFERENCED_PARAMETER(AllocationSize);
    UNREFERENCED_PARAMETER(EaBuffer);
    UNREFERENCED_PARAMETER(EaLength);

    IOP_OPEN open = {DesiredAccess, FileAttributes, ShareAccess, CreateDisposition, CreateOptions};
    NTSTATUS status = STATUS_INVALID_PARAMETER;
    PFILE_OBJECT file;

    if (ObjectAttributes && ObjectAttributes->ObjectName && !ObjectAttributes->RootDirectory &&
        CreateDisposition <= FILE_OVERWRITE_IF)
        status = IopOpenFile(ObjectAttributes->ObjectName, &open, &file);
    if (NT_SUCCESS(status))
        status = GiveHandle(file, FileHandle);
    IoStatusBlock->Status = status;
    IoStatusBlock->Information = NT_SUCCESS(status) ? FILE_OPENED : 0;
    return status;
}

/*
 * As ZwCreateFile with FILE_OPEN.
 *
 * IRQL:    PASSIVE_LEVEL (ZwCreateFile)
 * Locks:   as ZwCreateFile
 * Context: a thread
 * Returns: as ZwCreateFile
 */
NTSTATUS ZwOpenFile(PHANDLE FileHandle, ACCESS_MASK DesiredAccess,
                    POBJECT_ATTRIBUTES ObjectAttributes, PIO_STATUS_BLOCK IoStatusBlock,
                    ULONG ShareAccess, ULONG OpenOptions)
{
    return ZwCreateFile(FileHandle, DesiredAccess, ObjectAttributes, IoStatusBlock, NULL, 0,
                        ShareAccess, FILE_OPEN, OpenOptions, NULL, 0);
}

/*
 * Opens a device for another driver, which sends its requests itself. The handle that a program
 * would have is opened and closed in passing, so the driver has had its IRP_MJ_CLEANUP already.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   as ZwCreateFile
 * Context: a thread
 * Returns: as IopOpenFile; *FileObject has a reference, *DeviceObject is the top of its stack
 */
NTSTATUS IoGetDeviceObjectPointer(PUNICODE_STRING ObjectName, ACCESS_MASK DesiredAccess,
                                  PFILE_OBJECT *FileObject, PDEVICE_OBJECT *DeviceObject)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlIoPassive1", ObjectName);

    IOP_OPEN open = {DesiredAccess, 0, 0, FILE_OPEN, FILE_NON_DIRECTORY_FILE};
    NTSTATUS status = IopOpenFile(ObjectName, &open, FileObject);

    if (!NT_SUCCESS(status))
        return status;
    (*IoFileObjectType)->LastHandle(*FileObject);
    *DeviceObject = IoGetRelatedDeviceObject(*FileObject);
    return STATUS_SUCCESS;
}
