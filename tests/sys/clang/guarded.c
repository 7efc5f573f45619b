/*
 * Structured exceptions: faults and raised statuses that handlers of this image take. Built with
 * clang, whose mingw target knows __try. The compiler guards calls: code that may fault stands in
 * functions of its own, which are not inlined.
 */
#include <ntddk.h>
#include <excpt.h>

#define UNMAPPED     ((volatile LONG *)(ULONG_PTR)0x10000)
#define NO_ADDRESS   ((volatile LONG *)(ULONG_PTR)0x0123456789ABCDEF)
#define NOINLINE     __attribute__((noinline))
#define OTHER_STATUS ((NTSTATUS)0xE0001234)

#define CHECK(condition)                                              \
    do {                                                              \
        Checks++;                                                     \
        if (!(condition)) {                                           \
            Failures++;                                               \
            DbgPrint("guarded: line %d: %s\n", __LINE__, #condition); \
        }                                                             \
    } while (0)

DRIVER_INITIALIZE DriverEntry;

static ULONG Checks, Failures;
static volatile LONG Good = 17;

/* What happened, in the order in which it did. */
static CHAR Steps[32];
static ULONG StepCount;

static VOID Step(CHAR Letter)
{
    if (StepCount < sizeof(Steps) - 1)
        Steps[StepCount++] = Letter;
    Steps[StepCount] = 0;
}

static VOID Begin(VOID)
{
    StepCount = 0;
    Steps[0] = 0;
}

/* ---- code that may fault ---- */

static NOINLINE LONG Read(volatile LONG *Address)
{
    return *Address;
}

static NOINLINE VOID Write(volatile LONG *Address)
{
    *Address = 1;
}

static NOINLINE LONG Divide(LONG A, volatile LONG *B)
{
    LONG quotient;

    __asm__ volatile("cltd\n\tidivl %2" : "=a"(quotient) : "0"(A), "m"(*B) : "rdx", "cc");
    return quotient;
}

static NOINLINE VOID Undefined(VOID)
{
    __asm__ volatile("ud2");
}

static NOINLINE VOID Copy(PVOID To, PVOID From, SIZE_T Length)
{
    RtlCopyMemory(To, From, Length);
}

static NOINLINE VOID Move(PVOID To, PVOID From, SIZE_T Length)
{
    RtlMoveMemory(To, From, Length);
    Step('!');
}

static NOINLINE VOID Fill(PVOID To, SIZE_T Length)
{
    RtlFillMemory(To, Length, 1);
    Step('!');
}

/* Uses up all registers that a function has to keep before it goes on. */
static NOINLINE LONG Deep(volatile LONG *Address)
{
    LONG value;

    __asm__ volatile("movl $0x11, %%ebx\n\tmovl $0x22, %%esi\n\tmovl $0x33, %%edi\n\t"
                     "movl $0x44, %%r12d\n\tmovl $0x55, %%r13d\n\tmovl $0x66, %%r14d\n\t"
                     "movl $0x77, %%r15d\n\tpcmpeqd %%xmm6, %%xmm6\n\tpcmpeqd %%xmm15, %%xmm15"
                     :
                     :
                     : "rbx", "rsi", "rdi", "r12", "r13", "r14", "r15", "xmm6", "xmm15");
    value = Read(Address);
    Step('!');
    return value;
}

/* ---- handlers ---- */

static LONG Filter(PEXCEPTION_POINTERS Exception, ULONG_PTR Access, volatile LONG *Address)
{
    PEXCEPTION_RECORD record = Exception->ExceptionRecord;

    Step('f');
    CHECK(record->ExceptionCode == STATUS_ACCESS_VIOLATION && record->NumberParameters == 2);
    CHECK(record->ExceptionInformation[0] == Access);
    CHECK(record->ExceptionInformation[1] == (ULONG_PTR)Address);
    CHECK((ULONG_PTR)record->ExceptionAddress == Exception->ContextRecord->Rip);
    return EXCEPTION_EXECUTE_HANDLER;
}

static NOINLINE VOID TestAccess(VOID)
{
    volatile NTSTATUS status = 0;
    volatile LONG value = 5;

    __try {
        value = Read(UNMAPPED);
    } __except (Filter(GetExceptionInformation(), 0, UNMAPPED)) {
        status = GetExceptionCode();
    }
    CHECK(status == STATUS_ACCESS_VIOLATION && value == 5);

    status = 0;
    __try {
        Write(UNMAPPED);
    } __except (Filter(GetExceptionInformation(), 1, UNMAPPED)) {
        status = GetExceptionCode();
    }
    CHECK(status == STATUS_ACCESS_VIOLATION);

    status = 0;
    __try {
        value = Read(&Good);
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        status = GetExceptionCode();
    }
    CHECK(status == 0 && value == 17);

    __try {
        value = Read(NO_ADDRESS);
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        status = GetExceptionCode();
    }
    CHECK(status == STATUS_ACCESS_VIOLATION && value == 17);
}

static NOINLINE VOID TestOtherTraps(VOID)
{
    volatile NTSTATUS status = 0;
    volatile LONG zero = 0;

    __try {
        Divide(1, &zero);
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        status = GetExceptionCode();
    }
    CHECK(status == STATUS_INTEGER_DIVIDE_BY_ZERO);
    __try {
        Undefined();
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        status = GetExceptionCode();
    }
    CHECK(status == STATUS_ILLEGAL_INSTRUCTION);
}

static LONG Note(CHAR Letter, LONG Answer)
{
    Step(Letter);
    return Answer;
}

/* Filters run from the inside outwards, then __finally, then the handler. */
static NOINLINE VOID TestOrder(VOID)
{
    Begin();
    __try {
        __try {
            __try {
                Deep(UNMAPPED);
            } __finally {
                Step(AbnormalTermination() ? 'A' : 'N');
            }
        } __except (Note('1', EXCEPTION_CONTINUE_SEARCH)) {
            Step('x');
        }
    } __except (Note('2', EXCEPTION_EXECUTE_HANDLER)) {
        Step('H');
    }
    CHECK(strcmp(Steps, "12AH") == 0);

    Begin();
    __try {
        Read(&Good);
    } __finally {
        Step(AbnormalTermination() ? 'A' : 'N');
    }
    CHECK(strcmp(Steps, "N") == 0);
}

static NOINLINE VOID Inner(volatile LONG *Address)
{
    __try {
        Deep(Address);
    } __finally {
        Step('i');
    }
}

static NOINLINE VOID Middle(volatile LONG *Address)
{
    __try {
        __try {
            Inner(Address);
        } __except (Note('m', EXCEPTION_CONTINUE_SEARCH)) {
            Step('x');
        }
    } __finally {
        Step('o');
    }
}

/* The handler lies three frames above the fault. */
static NOINLINE VOID TestFrames(VOID)
{
    Begin();
    __try {
        Middle(UNMAPPED);
    } __except (Note('t', EXCEPTION_EXECUTE_HANDLER)) {
        Step('H');
    }
    CHECK(strcmp(Steps, "mtioH") == 0);
}

static NOINLINE VOID TestRaise(VOID)
{
    volatile NTSTATUS status = 0;

    __try {
        ExRaiseStatus(OTHER_STATUS);
    } __except (GetExceptionCode() == OTHER_STATUS) {
        status = GetExceptionCode();
    }
    CHECK(status == OTHER_STATUS);
    __try {
        ExRaiseAccessViolation();
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        status = GetExceptionCode();
    }
    CHECK(status == STATUS_ACCESS_VIOLATION);
    __try {
        ExRaiseDatatypeMisalignment();
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        status = GetExceptionCode();
    }
    CHECK(status == STATUS_DATATYPE_MISALIGNMENT);
}

/* The kernel's own copying routines, with a length that the compiler does not know. */
static NOINLINE VOID TestCopy(volatile SIZE_T *Length)
{
    CHAR buffer[64] = "untouched";
    volatile LONG handled = 0;

    __try {
        Copy(buffer, (PVOID)UNMAPPED, *Length);
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        handled++;
    }
    __try {
        Move((PVOID)UNMAPPED, buffer, *Length);
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        handled++;
    }
    __try {
        Fill((PVOID)UNMAPPED, *Length);
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        handled++;
    }
    CHECK(handled == 3 && strcmp(buffer, "untouched") == 0);
}

static volatile LONG Numbers[7] = {1, 2, 3, 4, 5, 6, 7};
static volatile double Real = 0.5;

/*
 * What lies in registers that a call keeps. Deep and the copying have used them; only unwinding
 * brings them back.
 */
static NOINLINE VOID TestRegisters(VOID)
{
    volatile SIZE_T length = 32;
    LONG a = Numbers[0], b = Numbers[1], c = Numbers[2], d = Numbers[3], e = Numbers[4];
    LONG f = Numbers[5], g = Numbers[6];
    double x = Real;

    TestFrames();
    TestCopy(&length);
    CHECK(a == Numbers[0] && b == Numbers[1] && c == Numbers[2] && d == Numbers[3]);
    CHECK(e == Numbers[4] && f == Numbers[5] && g == Numbers[6]);
    CHECK(x == Real);
}

/* A call of what is no code. Of the caller's registers nothing is lost. */
static NOINLINE VOID TestWildCall(VOID (*volatile *Routine)(VOID))
{
    volatile NTSTATUS status = 0;

    __try {
        (*Routine)();
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        status = GetExceptionCode();
    }
    CHECK(status == STATUS_ACCESS_VIOLATION);
}

/* A filter that mends what was wrong. Read has the address in RCX. */
static LONG Mend(PEXCEPTION_POINTERS Exception)
{
    Exception->ContextRecord->Rcx = (ULONG_PTR)&Good;
    return EXCEPTION_CONTINUE_EXECUTION;
}

static NOINLINE LONG ReadAtRcx(volatile LONG *Address)
{
    LONG value;

    __asm__ volatile("movl (%1), %0" : "=a"(value) : "c"(Address));
    return value;
}

static NOINLINE VOID TestContinue(VOID)
{
    volatile LONG value = 0;

    __try {
        value = ReadAtRcx(UNMAPPED);
    } __except (Mend(GetExceptionInformation())) {
        value = 1;
    }
    CHECK(value == 17);
}

/* What no handler takes: by the build, one that no filter wants, or one at raised IRQL. */
static NOINLINE VOID LastFault(VOID)
{
#ifdef AT_RAISED_IRQL
    KIRQL irql;

    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    __try {
        Read(UNMAPPED);
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        DbgPrint("guarded: nobody should be here\n");
    }
#else
    __try {
        Read(UNMAPPED);
    } __except (EXCEPTION_CONTINUE_SEARCH) {
        DbgPrint("guarded: nobody should be here\n");
    }
#endif
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    VOID (*volatile nowhere)(VOID) = NULL;
    UNREFERENCED_PARAMETER(DriverObject);
    UNREFERENCED_PARAMETER(RegistryPath);
    TestAccess();
    TestOtherTraps();
    TestOrder();
    for (LONG i = 0; i < 100; i++)
        TestRegisters();
    TestRaise();
    TestContinue();
    TestWildCall(&nowhere);
    DbgPrint("guarded: %u checks, %u failures\n", Checks, Failures);
    LastFault();
    return STATUS_UNSUCCESSFUL;
}
