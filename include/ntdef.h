/* The basic types, annotations and constants of the WDK, made of fixed-width integers. */
#ifndef METRONOME_NTDEF_H
#define METRONOME_NTDEF_H

#include <stddef.h>
#include <stdint.h>

/* LONG and ULONG are 32 bits wide, as in every Windows header; a C `long` never appears. */
#define VOID void
typedef void *PVOID;
typedef char CHAR, CCHAR, *PCHAR, *PSTR;
typedef const char *PCSTR, *PCCH;
typedef int8_t INT8;
typedef uint8_t UCHAR, BOOLEAN, UINT8, *PUCHAR, *PBOOLEAN;
typedef int16_t SHORT, CSHORT, INT16, *PSHORT;
typedef uint16_t USHORT, UINT16, *PUSHORT;
typedef uint16_t WCHAR, *PWCHAR, *PWSTR;
typedef const WCHAR *PCWSTR;
typedef int32_t LONG, INT32, *PLONG;
typedef uint32_t ULONG, UINT32, LOGICAL, DWORD, *PULONG;
typedef int64_t LONGLONG, LONG64, INT64, *PLONGLONG, *PLONG64;
typedef uint64_t ULONGLONG, ULONG64, UINT64, *PULONGLONG, *PULONG64;
typedef int64_t LONG_PTR, SSIZE_T;
typedef uint64_t ULONG_PTR, UINT_PTR, SIZE_T, KAFFINITY, *PULONG_PTR, *PSIZE_T, *PKAFFINITY;
typedef PVOID HANDLE, *PHANDLE;
typedef LONG NTSTATUS, *PNTSTATUS;
typedef UCHAR KIRQL, *PKIRQL;
typedef LONG KPRIORITY;
typedef ULONG ACCESS_MASK, DEVICE_TYPE;
typedef CCHAR KPROCESSOR_MODE;

typedef enum _MODE { KernelMode, UserMode, MaximumMode } MODE;

#define TRUE  1
#define FALSE 0

#define MAXUCHAR    0xFF
#define MAXUSHORT   0xFFFF
#define MAXLONG     0x7FFFFFFF
#define MAXULONG    0xFFFFFFFFu
#define MINLONGLONG INT64_MIN
#define MAXLONGLONG INT64_MAX
#define MAXULONG64  UINT64_MAX

typedef union _LARGE_INTEGER {
    struct {
        ULONG LowPart;
        LONG HighPart;
    };
    struct {
        ULONG LowPart;
        LONG HighPart;
    } u;
    LONGLONG QuadPart;
} LARGE_INTEGER, *PLARGE_INTEGER;

typedef union _ULARGE_INTEGER {
    struct {
        ULONG LowPart;
        ULONG HighPart;
    };
    struct {
        ULONG LowPart;
        ULONG HighPart;
    } u;
    ULONGLONG QuadPart;
} ULARGE_INTEGER, *PULARGE_INTEGER;

typedef LARGE_INTEGER PHYSICAL_ADDRESS, *PPHYSICAL_ADDRESS;

/* Lengths are in bytes and do not count a terminating zero. */
typedef struct _UNICODE_STRING {
    USHORT Length;
    USHORT MaximumLength;
    PWSTR Buffer;
} UNICODE_STRING, *PUNICODE_STRING;
typedef const UNICODE_STRING *PCUNICODE_STRING;

typedef struct _STRING {
    USHORT Length;
    USHORT MaximumLength;
    PCHAR Buffer;
} STRING, ANSI_STRING, *PSTRING, *PANSI_STRING;

typedef struct _LIST_ENTRY {
    struct _LIST_ENTRY *Flink;
    struct _LIST_ENTRY *Blink;
} LIST_ENTRY, *PLIST_ENTRY, *PRLIST_ENTRY;

typedef struct _SINGLE_LIST_ENTRY {
    struct _SINGLE_LIST_ENTRY *Next;
} SINGLE_LIST_ENTRY, *PSINGLE_LIST_ENTRY;

typedef struct _PROCESSOR_NUMBER {
    USHORT Group;
    UCHAR Number;
    UCHAR Reserved;
} PROCESSOR_NUMBER, *PPROCESSOR_NUMBER;

#define CONTAINING_RECORD(address, type, field) \
    ((type *)((PCHAR)(address) - (ULONG_PTR)offsetof(type, field)))
#define FIELD_OFFSET(type, field) ((LONG)offsetof(type, field))
#define UNREFERENCED_PARAMETER(P) ((void)(P))
#define ARRAYSIZE(array)          (sizeof(array) / sizeof((array)[0]))
#define RTL_NUMBER_OF(array)      ARRAYSIZE(array)
#define ALIGN_UP_BY(value, alignment) \
    (((ULONG_PTR)(value) + (alignment)-1) & ~((ULONG_PTR)(alignment)-1))
#define NT_SUCCESS(Status) ((NTSTATUS)(Status) >= 0)
#define NT_ERROR(Status)   (((ULONG)(Status)) >> 30 == 3) /* not for warnings */
#define min(a, b)          (((a) < (b)) ? (a) : (b))
#define max(a, b)          (((a) > (b)) ? (a) : (b))

/* A driver's headers write these; here the compiler has nothing to do with them. */
#define IN
#define OUT
#define OPTIONAL
#define CONST const
#define NTAPI
#define FASTCALL
#define NTKERNELAPI
#define NTSYSAPI
#define NTHALAPI
#define FORCEINLINE       static inline __attribute__((always_inline, unused))
#define DECLSPEC_NORETURN __attribute__((noreturn))
#define DECLSPEC_ALIGN(x) __attribute__((aligned(x)))
#define _Use_decl_annotations_
#define _In_
#define _In_opt_
#define _Out_
#define _Out_opt_
#define _Inout_
#define _Inout_opt_
#define _IRQL_requires_(irql)
#define _IRQL_requires_max_(irql)
#define _IRQL_requires_min_(irql)
#define _IRQL_requires_same_
#define _IRQL_raises_(irql)
#define _IRQL_saves_
#define _IRQL_restores_
#define _Function_class_(name)

#define PAGE_SIZE  0x1000u
#define PAGE_SHIFT 12

/* A WDK layout that drivers rely on: a wrong offset is a compile-time error. */
#define ASSERT_SIZE(type, size) _Static_assert(sizeof(type) == (size), #type " has the wrong size")
#define ASSERT_OFFSET(type, field, offset) \
    _Static_assert(offsetof(type, field) == (offset), #type "." #field " is misplaced")

ASSERT_SIZE(LARGE_INTEGER, 0x8);
ASSERT_SIZE(LIST_ENTRY, 0x10);
ASSERT_SIZE(UNICODE_STRING, 0x10);
ASSERT_OFFSET(UNICODE_STRING, Buffer, 0x8);

#endif
