/*
 * Open devices: file objects, and the Zw routines that threads use them with. All Zw routines:
 * IRQL PASSIVE_LEVEL.
 */
#ifndef METRONOME_FILE_H
#define METRONOME_FILE_H

#include "irp.h"
#include "thread.h"

/* One open of a device, from IRP_MJ_CREATE to IRP_MJ_CLOSE. */
typedef struct _FILE_OBJECT {
    CSHORT Type; /* IO_TYPE_FILE */
    CSHORT Size;
    PDEVICE_OBJECT DeviceObject; /* that the name named: the bottom of its stack */
    PVOID Vpb;
    PVOID FsContext;  /* the driver's */
    PVOID FsContext2; /* the driver's */
    PVOID SectionObjectPointer;
    PVOID PrivateCacheMap;
    NTSTATUS FinalStatus;
    struct _FILE_OBJECT *RelatedFileObject;
    BOOLEAN LockOperation;
    BOOLEAN DeletePending;
    BOOLEAN ReadAccess;
    BOOLEAN WriteAccess;
    BOOLEAN DeleteAccess;
    BOOLEAN SharedRead;
    BOOLEAN SharedWrite;
    BOOLEAN SharedDelete;
    ULONG Flags;                     /* FO_... */
    UNICODE_STRING FileName;         /* what follows the device's name, with its backslash */
    LARGE_INTEGER CurrentByteOffset; /* of a synchronous file; Lock */
    volatile ULONG Waiters;
    volatile ULONG Busy;
    PVOID LastLock;
    KEVENT Lock;  /* a synchronous file does one request at a time */
    KEVENT Event; /* signaled when a request that has no event of its own completes */
    PVOID CompletionContext;
    KSPIN_LOCK IrpListLock;
    LIST_ENTRY IrpList;
    PVOID FileObjectExtension;
} FILE_OBJECT, *PFILE_OBJECT;

ASSERT_SIZE(FILE_OBJECT, 0xD8);
ASSERT_OFFSET(FILE_OBJECT, DeviceObject, 0x8);
ASSERT_OFFSET(FILE_OBJECT, FsContext, 0x18);
ASSERT_OFFSET(FILE_OBJECT, FsContext2, 0x20);
ASSERT_OFFSET(FILE_OBJECT, Flags, 0x50);
ASSERT_OFFSET(FILE_OBJECT, FileName, 0x58);
ASSERT_OFFSET(FILE_OBJECT, CurrentByteOffset, 0x68);

#define IO_TYPE_FILE 5

/* FILE_OBJECT.Flags */
#define FO_FILE_OPEN        0x00000001
#define FO_SYNCHRONOUS_IO   0x00000002
#define FO_ALERTABLE_IO     0x00000004
#define FO_CLEANUP_COMPLETE 0x00004000
#define FO_HANDLE_CREATED   0x00040000

extern POBJECT_TYPE *IoFileObjectType;

/* ---- how to open ---- */

#define FILE_READ_DATA        0x00000001
#define FILE_WRITE_DATA       0x00000002
#define FILE_APPEND_DATA      0x00000004
#define FILE_READ_ATTRIBUTES  0x00000080
#define FILE_WRITE_ATTRIBUTES 0x00000100
#define GENERIC_READ          0x80000000u
#define GENERIC_WRITE         0x40000000u
#define GENERIC_EXECUTE       0x20000000u
#define GENERIC_ALL           0x10000000u
#define FILE_GENERIC_READ     (SYNCHRONIZE | 0x00020000u | FILE_READ_DATA | FILE_READ_ATTRIBUTES)
#define FILE_GENERIC_WRITE \
    (SYNCHRONIZE | 0x00020000u | FILE_WRITE_DATA | FILE_APPEND_DATA | FILE_WRITE_ATTRIBUTES)

#define FILE_SHARE_READ   0x00000001
#define FILE_SHARE_WRITE  0x00000002
#define FILE_SHARE_DELETE 0x00000004

#define FILE_ATTRIBUTE_NORMAL 0x00000080

/* CreateDisposition */
#define FILE_SUPERSEDE    0
#define FILE_OPEN         1
#define FILE_CREATE       2
#define FILE_OPEN_IF      3
#define FILE_OVERWRITE    4
#define FILE_OVERWRITE_IF 5

/* CreateOptions */
#define FILE_DIRECTORY_FILE          0x00000001
#define FILE_SYNCHRONOUS_IO_ALERT    0x00000010
#define FILE_SYNCHRONOUS_IO_NONALERT 0x00000020
#define FILE_NON_DIRECTORY_FILE      0x00000040

/* ByteOffset->LowPart, with HighPart -1: go on where the file stands. */
#define FILE_USE_FILE_POINTER_POSITION 0xFFFFFFFEu

/* IO_STATUS_BLOCK.Information of an open */
#define FILE_OPENED 1

typedef struct _OBJECT_ATTRIBUTES {
    ULONG Length;
    HANDLE RootDirectory;
    PUNICODE_STRING ObjectName;
    ULONG Attributes;
    PVOID SecurityDescriptor;
    PVOID SecurityQualityOfService;
} OBJECT_ATTRIBUTES;

ASSERT_SIZE(OBJECT_ATTRIBUTES, 0x30);

#define OBJ_INHERIT          0x00000002
#define OBJ_EXCLUSIVE        0x00000020
#define OBJ_CASE_INSENSITIVE 0x00000040
#define OBJ_KERNEL_HANDLE    0x00000200

FORCEINLINE VOID InitializeObjectAttributes(POBJECT_ATTRIBUTES Attributes, PUNICODE_STRING Name,
                                            ULONG Flags, HANDLE RootDirectory,
                                            PVOID SecurityDescriptor)
{
    Attributes->Length = sizeof(OBJECT_ATTRIBUTES);
    Attributes->RootDirectory = RootDirectory;
    Attributes->ObjectName = Name;
    Attributes->Attributes = Flags;
    Attributes->SecurityDescriptor = SecurityDescriptor;
    Attributes->SecurityQualityOfService = NULL;
}

/* ---- routines ---- */

NTSTATUS ZwCreateFile(PHANDLE FileHandle, ACCESS_MASK DesiredAccess,
                      POBJECT_ATTRIBUTES ObjectAttributes, PIO_STATUS_BLOCK IoStatusBlock,
                      PLARGE_INTEGER AllocationSize, ULONG FileAttributes, ULONG ShareAccess,
                      ULONG CreateDisposition, ULONG CreateOptions, PVOID EaBuffer, ULONG EaLength);
NTSTATUS ZwOpenFile(PHANDLE FileHandle, ACCESS_MASK DesiredAccess,
                    POBJECT_ATTRIBUTES ObjectAttributes, PIO_STATUS_BLOCK IoStatusBlock,
                    ULONG ShareAccess, ULONG OpenOptions);
NTSTATUS ZwReadFile(HANDLE FileHandle, HANDLE Event, PIO_APC_ROUTINE ApcRoutine, PVOID ApcContext,
                    PIO_STATUS_BLOCK IoStatusBlock, PVOID Buffer, ULONG Length,
                    PLARGE_INTEGER ByteOffset, PULONG Key);
NTSTATUS ZwWriteFile(HANDLE FileHandle, HANDLE Event, PIO_APC_ROUTINE ApcRoutine, PVOID ApcContext,
                     PIO_STATUS_BLOCK IoStatusBlock, PVOID Buffer, ULONG Length,
                     PLARGE_INTEGER ByteOffset, PULONG Key);
NTSTATUS ZwDeviceIoControlFile(HANDLE FileHandle, HANDLE Event, PIO_APC_ROUTINE ApcRoutine,
                               PVOID ApcContext, PIO_STATUS_BLOCK IoStatusBlock,
                               ULONG IoControlCode, PVOID InputBuffer, ULONG InputBufferLength,
                               PVOID OutputBuffer, ULONG OutputBufferLength);
NTSTATUS ZwFlushBuffersFile(HANDLE FileHandle, PIO_STATUS_BLOCK IoStatusBlock);
NTSTATUS ZwCancelIoFile(HANDLE FileHandle, PIO_STATUS_BLOCK IoStatusBlock);
NTSTATUS ZwWaitForSingleObject(HANDLE Handle, BOOLEAN Alertable, PLARGE_INTEGER Timeout);

/* An event without a name, for the Event parameter above. */
extern POBJECT_TYPE *ExEventObjectType;
NTSTATUS ZwCreateEvent(PHANDLE EventHandle, ACCESS_MASK DesiredAccess,
                       POBJECT_ATTRIBUTES ObjectAttributes, EVENT_TYPE EventType,
                       BOOLEAN InitialState);

/*
 * Opens the device of that name for attributes. The references on FileObject, and with it on the
 * device, are the caller's to give back: ObDereferenceObject(FileObject). DeviceObject: the top of
 * the stack. IRQL: PASSIVE_LEVEL.
 */
NTSTATUS IoGetDeviceObjectPointer(PUNICODE_STRING ObjectName, ACCESS_MASK DesiredAccess,
                                  PFILE_OBJECT *FileObject, PDEVICE_OBJECT *DeviceObject);

/* The top of the stack that the device is in. */
PDEVICE_OBJECT IoGetRelatedDeviceObject(PFILE_OBJECT FileObject);

#endif
