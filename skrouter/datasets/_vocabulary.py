"""The words from which the queries of the synthetic routing problem are made."""

# Topics: what a query is about. Each subject is combined with each setting, so that neither says
# anything about the difficulty.
from __future__ import annotations

TOPICS = {
    "math": (
        "the sum of two fractions, a quadratic equation, the area of a triangle, a geometric "
        "series, the derivative of a polynomial, a system of linear equations, the probability "
        "of two dice, a prime factorisation, the volume of a cone, a compound interest formula, "
        "the angle between two vectors, a recursive integer sequence",
        "with integer coefficients, on a number line, for a school exercise, with decimal "
        "numbers, in the coordinate plane, modulo a prime, with one free parameter, over the "
        "real numbers, in a word problem about trains, with symmetric inputs, from a calculus "
        "sheet, on squared paper",
    ),
    "code": (
        "a function that reverses a list, a parser for CSV files, a binary search, a cache with "
        "a size limit, a thread pool, a regular expression for dates, a loop over a dictionary, "
        "a database query with two joins, a class for stacks, a sorting routine, an HTTP client, "
        "a recursive tree walk",
        "in Python, in Java, in Rust, in C++, in JavaScript, in a command line tool, inside a web "
        "service, with unit tests, in a mobile app, in a legacy code base, in Go, for a batch job",
    ),
    "law": (
        "a rental contract, a claim for damages, the notice period of an employee, a trademark "
        "dispute, a breach of warranty, the liability of a landlord, a will with two heirs, a "
        "data protection request, a non-compete clause, an appeal against a fine, a settlement "
        "agreement, the custody of evidence",
        "under state statute, before a small claims court, between two companies, for a private "
        "tenant, after a change of the law, with a foreign party, in a civil trial, under common "
        "law, at a public authority, in an arbitration, for a non-profit association, during "
        "insolvency",
    ),
    "medicine": (
        "a persistent cough, the dose of an antibiotic, high blood pressure, an allergic rash, a "
        "vaccination schedule, a sprained ankle, iron deficiency, chest pain, an abnormal blood "
        "count, type 2 diabetes, a migraine attack, sleep apnoea",
        "in an adult patient, in a small child, during pregnancy, after surgery, in an elderly "
        "patient, in a rural clinic, with kidney disease, in an athlete, in the emergency room, "
        "after a long flight, in a smoker, at a routine visit",
    ),
    "history": (
        "the fall of an empire, a peace treaty, a peasant revolt, the rise of a trading city, a "
        "royal succession, an early railway line, a colonial war, a religious reform, the "
        "spread of printing, a naval blockade, a famine, a parliamentary election",
        "in ancient Rome, in medieval France, in Ming China, in Victorian Britain, in the Ottoman "
        "lands, in colonial Mexico, in Meiji Japan, in the early United States, in Renaissance "
        "Italy, in Mughal India, in the Hanseatic towns, in imperial Russia",
    ),
    "cooking": (
        "a tomato soup, sourdough bread, a roast chicken, a vegetable curry, fresh pasta, a "
        "chocolate cake, pickled cucumbers, a fish stew, a lemon sauce, rice with beans, an onion "
        "tart, a pot of dumplings",
        "for four guests, on a camping stove, without dairy, in a cast iron pan, for a picnic, "
        "with spring vegetables, in a small oven, on a tight budget, for a festive dinner, with "
        "leftovers, without gluten, at high altitude",
    ),
    "physics": (
        "a swinging pendulum, a falling ball, an electric circuit, a spinning wheel, a heated "
        "gas, a light beam in glass, a loaded spring, a planet in orbit, a charged capacitor, a "
        "sound wave, a sliding block, a radioactive sample",
        "without friction, in a vacuum, near absolute zero, on an inclined plane, in a magnetic "
        "field, on the surface of Mars, in a closed box, at constant pressure, under water, in a "
        "lift, at high speed, in a laboratory course",
    ),
    "travel": (
        "a weekend city trip, a train journey, a hiking tour, a visa application, a family "
        "holiday, a flight connection, a museum visit, a camper van rental, a ferry crossing, a "
        "cycling route, a hostel booking, a packing list",
        "in Norway, around Lisbon, through the Alps, in northern Vietnam, across Canada, on the "
        "Greek islands, in Kenya, along the Danube, in Patagonia, near Kyoto, in Scotland, in "
        "southern India",
    ),
}

# Difficulty: how the query is phrased. Five levels, from one easy step to a rigorous proof.
# Sentences of a level share cue words and the closing repeats the cue, as two samples of one style
# would.
FRAMES = (
    (
        "Quick easy question, one simple step: what is {}?",
        "An easy one-step question: name {} in one word.",
        "True or false, a very easy and simple check about {}.",
        "Simple and quick: give one easy fact about {}.",
        "Easy lookup in one simple step: the usual word for {}.",
    ),
    (
        "Give a short, basic definition of {}.",
        "Briefly describe {} in two short, basic sentences.",
        "A basic beginner question: a short example of {}.",
        "Short basic summary, please: {}.",
        "State the basic rule for {} in a short sentence.",
    ),
    (
        "Work through a standard case of {} and show the main steps.",
        "Explain the standard method for {} with a worked example.",
        "Solve a standard textbook exercise on {} and show the steps.",
        "Compare two standard approaches to {} with a worked example.",
        "Show the main steps of the standard procedure for {}.",
    ),
    (
        "A difficult multi-step analysis: {}, with conflicting requirements.",
        "Analyse a difficult, unusual case of {} in many dependent steps.",
        "Carry out a long multi-step derivation for {} with difficult exceptions.",
        "Find the hidden error in a difficult multi-step argument about {}.",
        "Plan a difficult multi-step solution for {} under conflicting constraints.",
    ),
    (
        "Prove a rigorous general theorem about {}, covering every edge case.",
        "Give a complete formal proof of an open research conjecture about {}.",
        "Develop a rigorous expert-level theory of {} with a full formal proof.",
        "Settle an open research problem on {} by a rigorous formal argument.",
        "Construct counterexamples and prove a rigorous impossibility theorem on {}.",
    ),
)
CLOSINGS = (
    (
        "One word is enough.",
        "Keep it simple.",
        "It should be easy.",
        "No explanation needed.",
        "Just a quick answer.",
        "A simple yes or no will do.",
    ),
    (
        "Keep it short.",
        "Two sentences are enough.",
        "The basics will do.",
        "It is for a beginner.",
        "A brief answer, please.",
        "Nothing beyond the basics.",
    ),
    (
        "Show your work.",
        "Number the steps.",
        "A textbook answer will do.",
        "Include a worked example.",
        "Check the final result.",
        "The standard method is fine.",
    ),
    (
        "Check each intermediate step against the constraints.",
        "This is difficult, so reason carefully.",
        "Weigh the conflicting requirements and explain each choice.",
        "Every step depends on the one before.",
        "Watch for the difficult exceptions.",
        "Many steps are needed, show them all.",
    ),
    (
        "Justify every inference formally.",
        "Leave no gap in the proof.",
        "Research-level rigour is required.",
        "Prove each lemma that you use.",
        "Treat all edge cases rigorously.",
        "State and prove all assumptions formally.",
    ),
)
