"""From observed inputs to decisions: a client in the gateway's process, and the scorer in a process of its own.

    observation_queue  observations on their way out of the gateway
    client             the scorer as the gateway sees it: questions, replies, status, counts
    embedded/          scorer as a child process, on a socket
    messages           everything that client and scorer exchange
    service            one scorer behind both transports: packs, batches, questions, errors, retries
    scorer             observations to decisions; everything that stores
    queries            questions that store nothing
    task_reader        stored tasks under the open pack: policies, costs, states
    score_choice       the score that decides a task, and why it is this one
    task_update        one task's inputs, one by one
    sampling           adaptive sampling of a batch
    eviction           eviction of tasks beyond a limit
    input_text         the text of a request that is embedded
    serialization      sums and embeddings as bytes
    task_labels        a task's labelled inputs and scored responses
    inspection         outcomes, evidence, labels to add, comparison of packs
    background         executor for questions that take long

The gateway's process imports observation_queue, client, messages, input_text and embedded.client: neither numpy nor
the routing library.
"""
