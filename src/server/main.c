/* SPDX-License-Identifier: MIT */
/*
 * slidecached: the service. All of it is in sc_server_main, which tests call too; this
 * file is the only one of src/server that is not in the archive.
 */
#include "server.h"

int main(int argc, char **argv)
{
	return sc_server_main(argc, argv);
}
