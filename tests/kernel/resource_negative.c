/* Errors with executive resources: each ends in its bug check. */
#define SUITE "negative.resource"
#include "thread_tool.h"

static ERESOURCE Resource;

TEST(T_ERES_8_apcs)
{
    ExInitializeResourceLite(&Resource);
    EXPECT_BUGCHECK(0xC4, 0x37, PASSIVE_LEVEL, 0, &Resource)
    {
        ExAcquireResourceExclusiveLite(&Resource, FALSE);
    }
    EXPECT_BUGCHECK(0xC4, 0x37, PASSIVE_LEVEL, 0, &Resource)
    {
        ExAcquireResourceSharedLite(&Resource, TRUE);
    }
    KeEnterCriticalRegion();
    CHECK(ExAcquireResourceExclusiveLite(&Resource, TRUE));
    KeLeaveCriticalRegion();
    EXPECT_BUGCHECK(0xC4, 0x38, PASSIVE_LEVEL, 0, &Resource)
    {
        ExReleaseResourceLite(&Resource);
    }
}

TEST(T_ERES_8_irql)
{
    ExInitializeResourceLite(&Resource);
    AT_IRQL(DISPATCH_LEVEL)
    {
        EXPECT_BUGCHECK(0xC4, 0x20007, DISPATCH_LEVEL, &Resource, ANY)
        {
            ExAcquireResourceSharedLite(&Resource, FALSE);
        }
    }
}

TEST(T_ERES_8_not_owned)
{
    ExInitializeResourceLite(&Resource);
    KeEnterCriticalRegion();
    EXPECT_BUGCHECK(0xE3, &Resource, KeGetCurrentThread(), ANY, ANY)
    {
        ExReleaseResourceLite(&Resource);
    }
    CHECK(ExAcquireResourceSharedLite(&Resource, TRUE));
    EXPECT_BUGCHECK(0xE3, &Resource, KeGetCurrentThread(), ANY, ANY)
    {
        ExConvertExclusiveToSharedLite(&Resource);
    }
    EXPECT_BUGCHECK(0xC4, 0xD2, &Resource, ANY, ANY)
    {
        ExDeleteResourceLite(&Resource);
    }
    ExReleaseResourceLite(&Resource);
    KeLeaveCriticalRegion();
}

/* A reader that waits to be the writer would wait for itself. */
TEST(T_ERES_6_deadlock)
{
    ExInitializeResourceLite(&Resource);
    KeEnterCriticalRegion();
    CHECK(ExAcquireResourceSharedLite(&Resource, TRUE));
    EXPECT_BUGCHECK(0xC4, 0x1000, &Resource, KeGetCurrentThread(), ANY)
    {
        ExAcquireResourceExclusiveLite(&Resource, TRUE);
    }
    KeLeaveCriticalRegion();
}
