/* folder.h - the files of a journal folder.
 *   seg-OOOOOOOOOO-SSSSSS.log   owner number, segment of that owner (from 1)
 *   ballast                     bytes to give back when the disk is full
 *   *.damaged, *.damaged-N      what repair replaced; *.repair: unfinished
 * Everything else is left alone. No global state. */
#pragma once
#include "journal/adoption.h"
#include "journal/segment.h"

#define FOLDER_BALLAST "ballast"
enum { FOLDER_NAME_SIZE = 40 };

/* Writes the file name; returns text. */
char *folder_segment_file(struct segment_name name,
                          char text[FOLDER_NAME_SIZE]);
/* Is file a segment's name? Exactly that form, numbers from 1. */
bool folder_segment_parse(const char *file, struct segment_name *ret_name);
/* A descriptor of the folder (O_CLOEXEC). CO_NOTFOUND: no such folder. */
co_must_use enum co_err folder_open(const char *dir, int *ret_fd,
                                    struct co_diag *diag);
/* All segment files, in commit order; `bytes` is the file's size, id 0. */
co_must_use enum co_err folder_list(int dir_fd, struct adoption *ret_list,
                                    struct co_diag *diag);
/* Opens a segment for reading (flags: O_RDONLY, O_RDWR). */
co_must_use enum co_err folder_open_segment(int dir_fd,
                                            struct segment_name name, int flags,
                                            int *ret_fd, struct co_diag *diag);
/* Creates the folder if it is missing, and makes that durable. */
co_must_use enum co_err folder_create(const char *dir, struct co_diag *diag);
/* 0 when the folder has no segment or is not there. */
co_must_use enum co_err journal_highest_owner(const char *dir,
                                              uint32_t *ret_owner,
                                              struct co_diag *diag);
void folder_close(int *fd);
