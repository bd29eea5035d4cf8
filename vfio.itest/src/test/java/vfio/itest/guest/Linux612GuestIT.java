package vfio.itest.guest;

/** The driver of Linux 6.12, as Debian ships it. */
class Linux612GuestIT extends NetworkGuest {
    Linux612GuestIT() {
        super("6.12");
    }
}
