/* README.md, Clarifications: a device is found by its name and by its symbolic links. */
#define SUITE "names"
#include "suite.h"
#include "testdriver.h"
#include "ob.h"

static UNICODE_STRING DeviceName = RTL_CONSTANT_STRING(L"\\Device\\KtNamed");
static UNICODE_STRING LinkName = RTL_CONSTANT_STRING(L"\\DosDevices\\KtLink");
static UNICODE_STRING SecondLink = RTL_CONSTANT_STRING(L"\\DosDevices\\KtSecond");

static PDEVICE_OBJECT CreateNamed(VOID)
{
    PDEVICE_OBJECT device = NULL;

    CHECK_EQUAL(IoCreateDevice(KtDriver(), 0, &DeviceName, FILE_DEVICE_UNKNOWN, 0, FALSE, &device),
                STATUS_SUCCESS);
    return device;
}

TEST(device_by_name)
{
    PDEVICE_OBJECT device = CreateNamed();
    UNICODE_STRING other = RTL_CONSTANT_STRING(L"\\Device\\KtNobody");
    PCUNICODE_STRING name = ObpNameOfDevice(device);

    CHECK_EQUAL(ObpFindDevice(&DeviceName), device);
    CHECK_EQUAL(ObpFindDevice(&other), NULL);
    CHECK(name && RtlEqualUnicodeString(name, &DeviceName, FALSE));
    CHECK(device->Flags & DO_DEVICE_HAS_NAME);
    IoDeleteDevice(device);
    CHECK_EQUAL(ObpFindDevice(&DeviceName), NULL);
}

TEST(device_by_symbolic_link)
{
    PDEVICE_OBJECT device = CreateNamed();

    CHECK_EQUAL(IoCreateSymbolicLink(&LinkName, &DeviceName), STATUS_SUCCESS);
    CHECK_EQUAL(ObpFindDevice(&LinkName), device);
    CHECK_EQUAL(IoCreateSymbolicLink(&LinkName, &DeviceName), STATUS_OBJECT_NAME_COLLISION);
    CHECK_EQUAL(IoCreateSymbolicLink(&SecondLink, &LinkName), STATUS_SUCCESS);
    CHECK_EQUAL(ObpFindDevice(&SecondLink), device); /* through two links */
    CHECK_EQUAL(IoDeleteSymbolicLink(&LinkName), STATUS_SUCCESS);
    CHECK_EQUAL(ObpFindDevice(&LinkName), NULL);
    CHECK_EQUAL(ObpFindDevice(&SecondLink), NULL); /* it leads nowhere now */
    CHECK_EQUAL(IoDeleteSymbolicLink(&LinkName), STATUS_OBJECT_NAME_NOT_FOUND);
    CHECK_EQUAL(IoDeleteSymbolicLink(&SecondLink), STATUS_SUCCESS);
    CHECK_EQUAL(ObpFindDevice(&DeviceName), device);
    IoDeleteDevice(device);
}

/* A link lives longer than the device, and names the next one of that name. */
TEST(link_without_device)
{
    PDEVICE_OBJECT device = CreateNamed();

    CHECK_EQUAL(IoCreateSymbolicLink(&LinkName, &DeviceName), STATUS_SUCCESS);
    IoDeleteDevice(device);
    CHECK_EQUAL(ObpFindDevice(&LinkName), NULL);
    device = CreateNamed();
    CHECK_EQUAL(ObpFindDevice(&LinkName), device);
    CHECK_EQUAL(IoDeleteSymbolicLink(&LinkName), STATUS_SUCCESS);
    IoDeleteDevice(device);
}

TEST(links_in_a_circle)
{
    CHECK_EQUAL(IoCreateSymbolicLink(&LinkName, &SecondLink), STATUS_SUCCESS);
    CHECK_EQUAL(IoCreateSymbolicLink(&SecondLink, &LinkName), STATUS_SUCCESS);
    CHECK_EQUAL(ObpFindDevice(&LinkName), NULL); /* and it comes back */
    CHECK_EQUAL(IoDeleteSymbolicLink(&LinkName), STATUS_SUCCESS);
    CHECK_EQUAL(IoDeleteSymbolicLink(&SecondLink), STATUS_SUCCESS);
}

TEST(names_that_are_none)
{
    UNICODE_STRING empty = {0, 0, NULL}, relative = RTL_CONSTANT_STRING(L"KtRelative"),
                   odd = RTL_CONSTANT_STRING(L"\\Device\\KtOdd");
    PDEVICE_OBJECT device = NULL;

    CHECK(!NT_SUCCESS(IoCreateSymbolicLink(&empty, &DeviceName)));
    CHECK(!NT_SUCCESS(IoCreateSymbolicLink(&relative, &DeviceName)));
    CHECK(!NT_SUCCESS(
        IoCreateDevice(KtDriver(), 0, &relative, FILE_DEVICE_UNKNOWN, 0, FALSE, &device)));
    odd.Length -= 1; /* half a character */
    CHECK(!NT_SUCCESS(IoCreateSymbolicLink(&odd, &DeviceName)));
    CHECK_EQUAL(ObpFindDevice(&empty), NULL);
    CHECK_EQUAL(ObpFindDevice(&relative), NULL);
}

/* A device's name is no link: deleting it as one fails. */
TEST(device_name_is_no_link)
{
    PDEVICE_OBJECT device = CreateNamed();

    CHECK(!NT_SUCCESS(IoDeleteSymbolicLink(&DeviceName)));
    CHECK_EQUAL(ObpFindDevice(&DeviceName), device);
    IoDeleteDevice(device);
}
