/*
 * Round trips over a UNIX socket, with nothing in between.
 *
 *   pingpong server SOCKET REQUEST_SIZE REPLY_SIZE
 *       answers requests of one size by replies of another, one connection after the other
 *   pingpong client COUNT REPLY_SIZE SOCKET REQUEST [FIRST]
 *       sends the content of the file REQUEST and awaits the reply, COUNT times, and writes how many nanoseconds each took
 *       as binary numbers to standard output; before that it sends the content of FIRST, if there is one, and takes its reply,
 *       whose size stands in its second word
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { HEADER = 16, LARGEST = 4096, WARM_UP = 1000 };

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static int unix_socket(const char *path, struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	if (fd < 0)
		fail("socket");
	memset(address, 0, sizeof *address);
	address->sun_family = AF_UNIX;
	strncpy(address->sun_path, path, sizeof address->sun_path - 1);
	return fd;
}

static void send_all(int fd, const char *from, size_t size)
{
	while (size > 0) {
		ssize_t done = write(fd, from, size);

		if (done < 0)
			fail("write");
		from += done;
		size -= done;
	}
}

/* Returns 0 at the end of the stream. */
static int receive_all(int fd, char *to, size_t size)
{
	while (size > 0) {
		ssize_t done = read(fd, to, size);

		if (done < 0)
			fail("read");
		if (done == 0)
			return 0;
		to += done;
		size -= done;
	}
	return 1;
}

static size_t size_of(const char *text)
{
	size_t size = strtoul(text, NULL, 10);

	if (size < 1 || size > LARGEST) {
		fprintf(stderr, "pingpong: a message of %s bytes\n", text);
		exit(1);
	}
	return size;
}

static size_t load(const char *path, char *to)
{
	FILE *file = fopen(path, "rb");
	size_t size;

	if (!file)
		fail(path);
	size = fread(to, 1, LARGEST, file);
	fclose(file);
	return size;
}

static int64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

static void must_receive(int fd, char *to, size_t size)
{
	if (!receive_all(fd, to, size)) {
		fprintf(stderr, "pingpong: the peer has gone\n");
		exit(1);
	}
}

static void introduce(int fd, const char *path)
{
	char message[LARGEST];
	uint32_t size;

	send_all(fd, message, load(path, message));
	must_receive(fd, message, HEADER);
	memcpy(&size, message + 4, sizeof size);
	if (size < HEADER || size > LARGEST) {
		fprintf(stderr, "pingpong: the first reply has %u bytes\n", size);
		exit(1);
	}
	must_receive(fd, message + HEADER, size - HEADER);
}

static _Noreturn void serve(char **arguments)
{
	static char request[LARGEST], reply[LARGEST];
	size_t request_size = size_of(arguments[1]), reply_size = size_of(arguments[2]);
	struct sockaddr_un address;
	int listener = unix_socket(arguments[0], &address);

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 1) < 0)
		fail(arguments[0]);
	puts("listening");
	fflush(stdout);
	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd < 0)
			fail("accept");
		while (receive_all(fd, request, request_size))
			send_all(fd, reply, reply_size);
		close(fd);
	}
}

static int measure(int count_of_arguments, char **arguments)
{
	static char request[LARGEST], reply[LARGEST];
	long count = strtol(arguments[0], NULL, 10);
	size_t reply_size = size_of(arguments[1]), request_size;
	int64_t *nanoseconds = calloc(count, sizeof *nanoseconds);
	struct sockaddr_un address;
	int fd = unix_socket(arguments[2], &address);

	if (!nanoseconds)
		fail("calloc");
	request_size = load(arguments[3], request);
	if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
		fail(arguments[2]);
	if (count_of_arguments > 4)
		introduce(fd, arguments[4]);
	for (long i = -WARM_UP; i < count; i++) {
		int64_t start = now();

		send_all(fd, request, request_size);
		must_receive(fd, reply, reply_size);
		if (i >= 0)
			nanoseconds[i] = now() - start;
	}
	close(fd);
	send_all(STDOUT_FILENO, (char *)nanoseconds, count * sizeof *nanoseconds);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 5 && !strcmp(argv[1], "server"))
		serve(argv + 2);
	if ((argc == 6 || argc == 7) && !strcmp(argv[1], "client"))
		return measure(argc - 2, argv + 2);
	fprintf(stderr, "usage: pingpong server|client ...; see the source\n");
	return 1;
}
