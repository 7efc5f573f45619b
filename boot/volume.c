/* Reading files of the partition from which the loader was started, each in one call. */
#include "loader.h"

#include "config.h"

/* EFI_FILE_INFO ends with the file's name, which a FAT file system limits to 255 characters. */
typedef union _FILE_INFO_BUFFER {
    EFI_FILE_INFO Info;
    UINT8 Room[sizeof(EFI_FILE_INFO) + 255 * sizeof(CHAR16)];
} FILE_INFO_BUFFER;

static EFI_FILE_HANDLE Root;

void VolumeOpen(EFI_HANDLE Image)
{
    EFI_LOADED_IMAGE *loaded;
    EFI_SIMPLE_FILE_SYSTEM_PROTOCOL *volume;
    EFI_STATUS status;

    status = BS->HandleProtocol(Image, &LoadedImageProtocol, (void **)&loaded);
    if (!EFI_ERROR(status)) {
        status = BS->HandleProtocol(loaded->DeviceHandle, &FileSystemProtocol, (void **)&volume);
    }
    if (!EFI_ERROR(status)) {
        status = volume->OpenVolume(volume, &Root);
    }
    if (EFI_ERROR(status)) {
        Stop(L"the partition that the loader came from cannot be opened (%r)", status);
    }
}

static EFI_STATUS Open(const char *Path, EFI_FILE_HANDLE *File)
{
    CHAR16 name[CONFIG_MAX_PATH];
    UINTN i = 0;

    while (i < CONFIG_MAX_PATH - 1 && Path[i] != '\0') {
        name[i] = (CHAR16)Path[i];
        i++;
    }
    name[i] = 0;
    return Root->Open(Root, File, name, EFI_FILE_MODE_READ, 0);
}

static UINT64 FileSize(EFI_FILE_HANDLE File, const char *Path)
{
    FILE_INFO_BUFFER buffer;
    UINTN size = sizeof(buffer);
    EFI_STATUS status = File->GetInfo(File, &GenericFileInfo, &size, &buffer);

    if (EFI_ERROR(status)) {
        Stop(L"%a cannot be read (%r)", Path, status);
    }
    if ((buffer.Info.Attribute & EFI_FILE_DIRECTORY) != 0) {
        Stop(L"%a is a folder, not a file", Path);
    }
    return buffer.Info.FileSize;
}

BOOLEAN VolumeRead(const char *Path, BOOLEAN MayBeMissing, LOADED_FILE *File)
{
    EFI_FILE_HANDLE handle;
    EFI_STATUS status = Open(Path, &handle);
    UINT64 done = 0;

    if (status == EFI_NOT_FOUND) {
        if (MayBeMissing) {
            return FALSE;
        }
        Stop(L"%a was not found on the EFI partition", Path);
    }
    if (EFI_ERROR(status)) {
        Stop(L"%a cannot be opened (%r)", Path, status);
    }
    File->Size = FileSize(handle, Path);
    File->Pages = File->Size / EFI_PAGE_SIZE + 1;
    File->Data = AllocateLoaderPages(File->Pages, 0, Path);
    while (done < File->Size) {
        UINTN part = File->Size - done;

        status = handle->Read(handle, &part, (UINT8 *)File->Data + done);
        if (EFI_ERROR(status)) {
            Stop(L"%a cannot be read (%r)", Path, status);
        }
        if (part == 0) {
            Stop(L"%a ends before its size in the folder", Path);
        }
        done += part;
    }
    handle->Close(handle);
    return TRUE;
}
