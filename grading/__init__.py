"""The programs of the classroom: what makes the assignments, runs what is handed in, and tells students and teachers.

Each module's docstring ends with one sentence, *Touches*, that says what it may read, write and start.

release.py      zips for students                     `make assignments`
grade.py        a folder of hand-ins into grades      `make grade`
trial.py        100 made-up students                  `make grade-trial`
measure.py      how sure the checks are, many seeds   `make grade-measure`
similar.py      who handed in whose code              `make similar`
slides.py       lecture slides from chapters          `make slides`

course.py       masters and what is made of them      judge.py      one hand-in, from file to verdict
leaks.py        what must not be seen                 outside.py    values on fresh data, judged here
roster.py       class list, names, secret             asking.py     (sandbox) calls a student's functions
handins.py      whose file is what                    inside.py     (sandbox) runs cells
assemble.py     answers among the master's tests      sandbox.py    bubblewrap, limits
inert.py        what a student wrote, made harmless   seccomp.py    system calls that are refused
store.py        what has been done                    clock.py      time and memory used
marks.py        marks by hand, decisions, late days   seeded.py     mistakes that are known
pages.py        feedback and marking pages            statistics.py who lost what
tables.py       grades.csv and the platforms' files   gradescope.py the same for Gradescope
"""
