/* sources: kernel/ldr/unwind.c kernel/ldr/scopes.c kernel/ldr/pe.c kernel/ldr/peimage.c kernel/rtl/format.c kernel/rtl/formatput.c tests/host/support/exports.c */
/* Unwinding: hand-made codes against a hand-made stack, then the same with every part damaged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ldr/unwind.h"

#define BASE        0xFFFFC00000100000ULL
#define TABLE       0x1000 /* RVA of the table of functions */
#define INFO        0x1100 /* and of the information about the one that is tested */
#define IMAGE_SIZE  0x2000
#define CODE        0x100
#define STACK_WORDS 64

static UCHAR *Memory; /* from malloc, so that reading behind it is found */
static LDR_IMAGE Image;
static LDR_PROBLEM Problem;
static ULONG64 *Stack;
static CONTEXT Context;
static LDR_FRAME Frame;

static int SetUp(void **State)
{
    (void)State;
    Memory = calloc(1, IMAGE_SIZE);
    Stack = malloc(STACK_WORDS * sizeof(*Stack));
    memset(&Image, 0, sizeof(Image));
    Image.Size = IMAGE_SIZE;
    Image.SectionCount = 1;
    Image.Sections[0] = (LDR_SECTION){.Execute = TRUE, .Rva = 0x40, .Size = 0xFC0};
    Image.Exceptions = (PE_DIRECTORY){.Rva = TABLE, .Size = 3 * sizeof(PE_FUNCTION)};
    memcpy(Memory + TABLE,
           (PE_FUNCTION[3]){
               {0x40, 0x80, INFO + 0x80}, {CODE, CODE + 0x50, INFO}, {0x200, 0x210, INFO}},
           3 * sizeof(PE_FUNCTION));
    for (ULONG i = 0; i < STACK_WORDS; i++)
        Stack[i] = 0x1000 + i;
    return 0;
}

static int TearDown(void **State)
{
    (void)State;
    free(Memory);
    free(Stack);
    return 0;
}

/* Bytes of UNWIND_INFO: version and flags, prologue, codes, frame; then the codes. */
static void PutInfo(ULONG Rva, const UCHAR *Bytes, SIZE_T Count)
{
    memcpy(Memory + Rva, Bytes, Count);
}
#define PUT_INFO(...) \
    PutInfo(INFO, (const UCHAR[]){__VA_ARGS__}, sizeof((const UCHAR[]){__VA_ARGS__}))

/* One step from the instruction at Offset of the function, with RSP at a word of the stack. */
static BOOLEAN Unwind(ULONG Offset, ULONG Word, BOOLEAN AfterCall)
{
    const LDR_UNWINDER unwinder = {.Image = &Image,
                                   .Memory = Memory,
                                   .Base = BASE,
                                   .StackLow = (ULONG_PTR)Stack,
                                   .StackHigh = (ULONG_PTR)(Stack + STACK_WORDS),
                                   .Problem = &Problem};

    Context.Rip = BASE + CODE + Offset;
    Context.Rsp = (ULONG_PTR)(Stack + Word);
    Problem.Sentence[0] = 0;
    return LdrpUnwindFrame(&unwinder, AfterCall, &Context, &Frame);
}

static void assert_caller(ULONG Word)
{
    assert_int_equal(Context.Rip, 0x1000 + Word);
    assert_int_equal(Context.Rsp, (ULONG_PTR)(Stack + Word + 1));
}

/* push rbp (1 byte); push rsi (2); sub rsp, 0x28 (6); lea rbp, [rsp + 0x20] (11). */
static void PutUsual(void)
{
    PUT_INFO(1, 11, 4, 0x25, 11, 0x03, 6, 0x42, 2, 0x60, 1, 0x50);
}

static void Usual(void **State)
{
    (void)State;
    PutUsual();
    Context.Rbp = (ULONG_PTR)(Stack + 10 + 4);
    assert_true(Unwind(0x20, 3, FALSE)); /* RSP has moved on: the frame register counts */
    assert_int_equal(Frame.Establisher, (ULONG_PTR)(Stack + 10));
    assert_int_equal(Context.Rsi, 0x1000 + 15);
    assert_int_equal(Context.Rbp, 0x1000 + 16);
    assert_caller(17);
    assert_int_equal(Frame.Handler, 0);
}

/* At each instruction of the prologue. */
static void InPrologue(void **State)
{
    (void)State;
    PutUsual();
    Context.Rbp = 77;
    assert_true(Unwind(0, 10, FALSE));
    assert_int_equal(Context.Rbp, 77);
    assert_caller(10);
    assert_true(Unwind(1, 10, FALSE));
    assert_int_equal(Context.Rbp, 0x1000 + 10);
    assert_caller(11);
    assert_true(Unwind(2, 10, FALSE));
    assert_int_equal(Context.Rsi, 0x1000 + 10);
    assert_int_equal(Context.Rbp, 0x1000 + 11);
    assert_caller(12);
    assert_true(Unwind(6, 10, FALSE));
    assert_caller(17);
}

static void LargeAllocations(void **State)
{
    (void)State;
    PUT_INFO(1, 7, 2, 0, 7, 0x01, 20, 0);
    assert_true(Unwind(0x20, 10, FALSE));
    assert_caller(30);
    PUT_INFO(1, 7, 3, 0, 7, 0x11, 0x90, 0, 0, 0);
    assert_true(Unwind(0x20, 10, FALSE));
    assert_caller(28);
}

static void Saves(void **State)
{
    (void)State;
    /* mov [rsp + 16], rbx; movaps [rsp + 32], xmm6; the far forms; sub rsp, 0x78 */
    PUT_INFO(1, 20, 11, 0, 20, 0x34, 2, 0, 18, 0x68, 2, 0, 15, 0x65, 24, 0, 0, 0, 12, 0x79, 64, 0,
             0, 0, 4, 0xE2);
    assert_true(Unwind(0x20, 10, FALSE));
    assert_int_equal(Context.Rbx, 0x1000 + 12);
    assert_int_equal(Context.Rsi, 0x1000 + 13);
    assert_int_equal(Context.Xmm[6].Low, 0x1000 + 14);
    assert_int_equal(Context.Xmm[6].High, 0x1000 + 15);
    assert_int_equal(Context.Xmm[7].Low, 0x1000 + 18);
    assert_caller(25);
}

static void MachineFrame(void **State)
{
    (void)State;
    PUT_INFO(1, 1, 1, 0, 1, 0x1A);
    Stack[11] = 42;
    Stack[14] = (ULONG_PTR)(Stack + 30);
    assert_true(Unwind(0x20, 10, FALSE));
    assert_true(Frame.Interrupted);
    assert_int_equal(Context.Rip, 42);
    assert_int_equal(Context.Rsp, (ULONG_PTR)(Stack + 30));
}

static void Leaf(void **State)
{
    (void)State;
    assert_true(Unwind(0x60, 10, FALSE));
    assert_int_equal(Frame.Function, 0);
    assert_caller(10);
}

/* A call that is the last instruction returns behind the function. */
static void AfterCall(void **State)
{
    (void)State;
    PutUsual();
    Context.Rbp = (ULONG_PTR)(Stack + 10 + 4);
    assert_true(Unwind(0x50, 10, TRUE));
    assert_int_equal(Frame.Function, TABLE + sizeof(PE_FUNCTION));
    assert_caller(17);
}

/* The second part of a function has allocated more; the first part has the handler. */
static void Chain(void **State)
{
    const PE_FUNCTION first = {0x40, 0x80, INFO + 0x80};
    const ULONG handler = 0x300;

    (void)State;
    PUT_INFO(1 | 4 << 3, 4, 1, 0, 4, 0x12, 0, 0);
    memcpy(Memory + INFO + 8, &first, sizeof(first));
    PutInfo(INFO + 0x80, (const UCHAR[]){1 | 3 << 3, 1, 1, 0, 1, 0x30, 0, 0}, 8);
    memcpy(Memory + INFO + 0x88, &handler, sizeof(handler));
    assert_true(Unwind(0x20, 10, FALSE));
    assert_int_equal(Context.Rbx, 0x1000 + 12);
    assert_int_equal(Frame.Handler, handler);
    assert_int_equal(Frame.HandlerData, INFO + 0x8C);
    assert_true(Frame.ForSearch && Frame.ForUnwind);
    assert_caller(13);
    assert_true(Unwind(2, 12, FALSE)); /* in its prologue: nothing is guarded */
    assert_int_equal(Frame.Handler, 0);
}

static void assert_refused(ULONG Word, PCSTR Part)
{
    assert_false(Unwind(0x20, Word, FALSE));
    assert_non_null(strstr(Problem.Sentence, Part));
}

static void Damaged(void **State)
{
    const PE_FUNCTION self = {CODE, CODE + 0x50, INFO};

    (void)State;
    PUT_INFO(2, 0, 0, 0);
    assert_refused(10, "version 2");
    PUT_INFO(1, 4, 1, 0, 4, 0x01);
    assert_refused(10, "without its operand");
    PUT_INFO(1, 4, 1, 0, 4, 0x0F);
    assert_refused(10, "unknown unwind operation 15");
    PUT_INFO(1, 4, 2, 0, 4, 0x34, 0xFF, 0xFF);
    assert_refused(10, "outside the stack");
    PUT_INFO(1, 4, 1, 0, 4, 0xF2);
    assert_refused(STACK_WORDS - 4, "outside the stack");
    PUT_INFO(1, 4, 1, 0, 4, 0x50);
    assert_refused(STACK_WORDS, "outside the stack");
    PUT_INFO(1 | 4 << 3, 0, 0, 0);
    memcpy(Memory + INFO + 4, &self, sizeof(self));
    assert_refused(10, "more than 32 parts");
    PUT_INFO(1 | 1 << 3, 0, 0, 0, 0x00, 0x18);
    assert_refused(10, "where there is no code");
    PUT_INFO(1, 4, 1, 0x05, 4, 0x03);
    Context.Rbp = (ULONG_PTR)Stack;
    assert_refused(10, "leads down the stack");
    memcpy(Memory + TABLE + sizeof(self) + 8, &(ULONG){IMAGE_SIZE - 4}, sizeof(ULONG));
    memcpy(Memory + IMAGE_SIZE - 4, (UCHAR[]){1, 0, 255, 0}, 4);
    assert_refused(10, "outside the image");
    memcpy(Memory + TABLE + sizeof(self) + 8, &(ULONG){IMAGE_SIZE}, sizeof(ULONG));
    assert_refused(10, "outside the image");
}

/* Whatever the bytes, no read leaves the image or the stack, and each step leads upwards. */
static void Anything(void **State)
{
    ULONG random = 1;

    (void)State;
    for (ULONG round = 0; round < 200000; round++) {
        ULONG_PTR before;

        for (ULONG i = 0; i < 64; i++) {
            random = random * 1664525 + 1013904223;
            Memory[INFO + i] = (UCHAR)(random >> 24);
        }
        Memory[INFO] = (UCHAR)((Memory[INFO] & 0x38) | 1);
        Memory[INFO + 2] &= 15;
        for (ULONG i = 0; i < 16; i++)
            Context.Integer[i] = (ULONG_PTR)(Stack + i);
        before = (ULONG_PTR)(Stack + 10);
        if (Unwind(round % 0x50, 10, round & 1))
            assert_true(Context.Rsp > before);
        else
            assert_true(Problem.Sentence[0] != 0);
    }
}

static void Scopes(void **State)
{
    const struct {
        ULONG Count;
        LDR_SCOPE Scopes[3];
    } table = {3,
               {{0x110, 0x120, LDR_SCOPE_ALWAYS, 0x300}, {0x110, 0x130, 0x400, 0}, {1, 2, 1, 0}}};
    LDR_SCOPE scope;

    (void)State;
    memcpy(Memory + INFO, &table, sizeof(table));
    Problem.Sentence[0] = 0;
    assert_true(LdrpReadScope(&Image, Memory, INFO, 0, &scope, &Problem));
    assert_int_equal(scope.Target, 0x300);
    assert_true(LdrpReadScope(&Image, Memory, INFO, 1, &scope, &Problem));
    assert_int_equal(scope.Handler, 0x400);
    assert_false(LdrpReadScope(&Image, Memory, INFO, 3, &scope, &Problem));
    assert_int_equal(Problem.Sentence[0], 0);
    assert_false(LdrpReadScope(&Image, Memory, INFO, 2, &scope, &Problem)); /* 1 is no __finally */
    assert_non_null(strstr(Problem.Sentence, "no code"));
    memset(Memory + INFO, 0xFF, 4);
    assert_false(LdrpReadScope(&Image, Memory, INFO, 0x1000, &scope, &Problem));
    assert_non_null(strstr(Problem.Sentence, "do not fit"));
    assert_false(LdrpReadScope(&Image, Memory, MAXULONG64, 0, &scope, &Problem));
    assert_non_null(strstr(Problem.Sentence, "outside the image"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(Usual, SetUp, TearDown),
        cmocka_unit_test_setup_teardown(InPrologue, SetUp, TearDown),
        cmocka_unit_test_setup_teardown(LargeAllocations, SetUp, TearDown),
        cmocka_unit_test_setup_teardown(Saves, SetUp, TearDown),
        cmocka_unit_test_setup_teardown(MachineFrame, SetUp, TearDown),
        cmocka_unit_test_setup_teardown(Leaf, SetUp, TearDown),
        cmocka_unit_test_setup_teardown(AfterCall, SetUp, TearDown),
        cmocka_unit_test_setup_teardown(Chain, SetUp, TearDown),
        cmocka_unit_test_setup_teardown(Damaged, SetUp, TearDown),
        cmocka_unit_test_setup_teardown(Anything, SetUp, TearDown),
        cmocka_unit_test_setup_teardown(Scopes, SetUp, TearDown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
