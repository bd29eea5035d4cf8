package vfio.pci.core;

import java.io.IOException;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;
import java.util.stream.Collectors;
import net.bytebuddy.ByteBuddy;
import net.bytebuddy.asm.AsmVisitorWrapper;
import net.bytebuddy.jar.asm.MethodVisitor;
import net.bytebuddy.jar.asm.Opcodes;
import net.bytebuddy.jar.asm.Type;
import net.bytebuddy.matcher.ElementMatchers;
import net.bytebuddy.utility.OpenedClassReader;

/**
 * Makes a copy of a class that gives its processor away, now and then, before each step that other threads can see. What
 * takes an unlucky moment on a busy machine happens all the time then.
 */
final class RaceNoise {
    private static final int ONE_IN = 4;

    private RaceNoise() {}

    /** Gives the processor away, or not. */
    @SuppressWarnings("ThreadPriorityCheck")
    static void perhaps() {
        if (ThreadLocalRandom.current().nextInt(ONE_IN) == 0) {
            Thread.yield();
        }
    }

    /** Writes the copy of a class, to be found before the original. */
    static void copy(Class<?> original, Path folder) throws IOException {
        AsmVisitorWrapper steps = new AsmVisitorWrapper.ForDeclaredMethods()
                .invokable(
                        ElementMatchers.any(),
                        (type, method, visitor, context, types, writing, reading) -> withNoise(visitor, original));
        new ByteBuddy().redefine(original).visit(steps).make().saveIn(folder.toFile());
    }

    /** A class of this package as it is where some are replaced by their copies. */
    static Class<?> among(Class<?> wanted, Path folder, Class<?>... noisy) throws IOException, ClassNotFoundException {
        for (Class<?> original : noisy) {
            copy(original, folder);
        }
        URL[] places = {folder.toUri().toURL(), place(Gate.class), place(RaceNoise.class)};
        return new URLClassLoader(places, RaceNoise.class.getClassLoader()) {
            @Override
            protected Class<?> loadClass(String name, boolean resolve) throws ClassNotFoundException {
                synchronized (getClassLoadingLock(name)) {
                    if (!name.startsWith(RaceNoise.class.getPackageName() + ".")) {
                        return super.loadClass(name, resolve);
                    }
                    Class<?> known = findLoadedClass(name);
                    return known == null ? findClass(name) : known;
                }
            }
        }.loadClass(wanted.getName());
    }

    private static URL place(Class<?> known) {
        return known.getProtectionDomain().getCodeSource().getLocation();
    }

    private static MethodVisitor withNoise(MethodVisitor visitor, Class<?> original) {
        Set<String> shared = Arrays.stream(original.getDeclaredFields())
                .filter(field -> Modifier.isVolatile(field.getModifiers()))
                .map(Field::getName)
                .collect(Collectors.toSet());
        return new MethodVisitor(OpenedClassReader.ASM_API, visitor) {
            @Override
            public void visitMethodInsn(int opcode, String owner, String name, String descriptor, boolean isInterface) {
                if (owner.startsWith("java/util/concurrent/") && opcode != Opcodes.INVOKESPECIAL) {
                    visitNoise();
                }
                super.visitMethodInsn(opcode, owner, name, descriptor, isInterface);
            }

            @Override
            public void visitFieldInsn(int opcode, String owner, String name, String descriptor) {
                if (owner.equals(Type.getInternalName(original)) && shared.contains(name)) {
                    visitNoise();
                }
                super.visitFieldInsn(opcode, owner, name, descriptor);
            }

            private void visitNoise() {
                super.visitMethodInsn(
                        Opcodes.INVOKESTATIC, Type.getInternalName(RaceNoise.class), "perhaps", "()V", false);
            }
        };
    }
}
