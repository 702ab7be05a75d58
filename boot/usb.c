/* SPDX-License-Identifier: MIT */
/* Files on the boot medium; see usb.h. */
#include "boot/usb.h"

static EFI_FILE_HANDLE root; /* NULL: no file system */

bool usb_open(EFI_BOOT_SERVICES *services, EFI_HANDLE image)
{
    EFI_GUID loaded_image = LOADED_IMAGE_PROTOCOL;
    EFI_GUID file_system = SIMPLE_FILE_SYSTEM_PROTOCOL;
    EFI_LOADED_IMAGE *loaded = NULL;
    EFI_FILE_IO_INTERFACE *volume = NULL;
    uefi_call_wrapper(services->HandleProtocol, 3, image, &loaded_image, (void **)&loaded);
    if (loaded == NULL || loaded->DeviceHandle == NULL)
        return false;
    uefi_call_wrapper(services->HandleProtocol, 3, loaded->DeviceHandle, &file_system,
                      (void **)&volume);
    if (volume == NULL || EFI_ERROR(uefi_call_wrapper(volume->OpenVolume, 2, volume, &root)))
        root = NULL;
    return root != NULL;
}

static EFI_FILE_HANDLE open(const CHAR16 *path, UINT64 mode)
{
    EFI_FILE_HANDLE file = NULL;
    if (root == NULL ||
        EFI_ERROR(uefi_call_wrapper(root->Open, 5, root, &file, (CHAR16 *)path, mode, 0)))
        return NULL;
    return file;
}

size_t usb_read(const CHAR16 *path, char *text, size_t capacity_bytes)
{
    EFI_FILE_HANDLE file = open(path, EFI_FILE_MODE_READ);
    UINTN length = capacity_bytes - 1;
    text[0] = 0;
    if (file == NULL)
        return 0;
    if (EFI_ERROR(uefi_call_wrapper(file->Read, 3, file, &length, text)))
        length = 0;
    text[length] = 0;
    uefi_call_wrapper(file->Close, 1, file);
    return length;
}

#define MODE_WRITE (EFI_FILE_MODE_READ | EFI_FILE_MODE_WRITE | EFI_FILE_MODE_CREATE)

bool usb_append(const CHAR16 *path, const char *text, size_t bytes)
{
    EFI_FILE_HANDLE file = open(path, MODE_WRITE);
    if (file == NULL)
        return false;
    UINTN written = bytes;
    uefi_call_wrapper(file->SetPosition, 2, file, UINT64_MAX); /* the end */
    EFI_STATUS status = uefi_call_wrapper(file->Write, 3, file, &written, (void *)text);
    EFI_STATUS flushed = uefi_call_wrapper(file->Flush, 1, file);
    uefi_call_wrapper(file->Close, 1, file);
    return !EFI_ERROR(status) && !EFI_ERROR(flushed) && written == bytes;
}
