# SPDX-License-Identifier: MIT
# Prints the goals of the makefiles by group. A goal is listed when its rule ends with "##GROUP TEXT".
# A goal with the name of its group stands first.
BEGIN {
    count = split("build run test bugs measure inspect package form", groups, " ")
    title["build"] = "Build"
    title["run"] = "Run"
    title["test"] = "Test"
    title["bugs"] = "Search for bugs"
    title["measure"] = "Measure"
    title["inspect"] = "Look inside"
    title["package"] = "Package"
    title["form"] = "Keep the form"
}

/^[a-z-]+:.*##[a-z]+ / {
    goal = $0
    sub(/:.*/, "", goal)
    text = $0
    sub(/.*##/, "", text)
    group = text
    sub(/ .*/, "", group)
    sub(/^[a-z]+ /, "", text)
    if (!(group in title)) {
        print "mk/help.awk: " goal " is in no group: " group > "/dev/stderr"
        exit 1
    }
    line = sprintf("  %-14s %s\n", goal, text)
    lines[group] = goal == group ? line lines[group] : lines[group] line
}

END {
    for (i = 1; i <= count; i++)
        printf "%s\n%s\n", title[groups[i]], lines[groups[i]]
    print "Variables"
    print "  CC=gcc|clang HARDEN=0|1|2 DEBUG=0|1 MASKED=0|1 V=0|1"
    print "  SMP=4 MEM=512M ACCEL=tcg|kvm MACHINE=q35|pc CPU=max"
    print "  ARGS=\"...\": tests=TEXT stress=SECONDS cpus=N notimer bench debug wait"
    print "              fault=page|stop|hang|cpu (all of them: boot/options.h)"
}
